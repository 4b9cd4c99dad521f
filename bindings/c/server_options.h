// What a server is made of, from the options of its caller.
#ifndef MATHNAS_BINDINGS_C_SERVER_OPTIONS_H_
#define MATHNAS_BINDINGS_C_SERVER_OPTIONS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "bindings/c/mathnas.h"
#include "mathnas/core/block_table.h"
#include "mathnas/runtime/dynamic_network.h"
#include "supernet/search_space.h"

namespace mathnas::c {

// The space of a checkpoint with the candidates that the options name or, if they name none, with the resolutions of
// the table: the weights are the same. InvalidArgument names the option that the space does not have, or its value.
absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>> WithCandidates(
    std::shared_ptr<const supernet::SearchSpace> space, const mathnas_server_options& options,
    const core::BlockTable& table);

// InvalidArgument names the option and what was expected; errors of the calibration data.
absl::StatusOr<runtime::DynamicOptions> DynamicOptionsOf(const mathnas_server_options& options,
                                                         const supernet::SearchSpace& space,
                                                         const core::BlockTable& table);

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_SERVER_OPTIONS_H_
