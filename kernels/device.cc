#include "kernels/device.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "kernels/dense_copies.h"
#include "kernels/status.h"

namespace mathnas::kernels {

absl::Status Device::CheckBfloat16() const {
  return absl::UnimplementedError(fmt::format("device {} computes in {} alone", name(), Name(real())));
}

absl::StatusOr<std::shared_ptr<const Kernel>> Device::Prepare(const Operator& op, DescSpan inputs, DescSpan outputs) {
  KernelCache::Key key = {op, Descs(inputs.begin(), inputs.end()), Descs(outputs.begin(), outputs.end())};
  if (auto kernel = cache_.Find(key)) return kernel;
  const bool dense = std::all_of(inputs.begin(), inputs.end(), [](const TensorDesc& d) { return d.dense(); });
  auto kernel = dense || TakesSlices(op) ? Make(op, inputs, outputs) : MakeOnCopies(op, inputs, outputs);
  if (!kernel.ok()) return Annotate(kernel.status(), NameOf(op));
  cache_.Insert(std::move(key), *kernel);
  return kernel;
}

absl::StatusOr<std::shared_ptr<const Kernel>> Device::MakeOnCopies(const Operator& op, DescSpan inputs,
                                                                   DescSpan outputs) {
  Descs dense(inputs.begin(), inputs.end());
  for (TensorDesc& d : dense) d.row_stride = 0;
  auto kernel = Make(op, dense, outputs);
  if (!kernel.ok()) return kernel;
  return OnDenseCopies(*std::move(kernel), inputs, ChangesState(op));
}

}  // namespace mathnas::kernels
