// What a training step computes again in its backward pass, from the command line.
#ifndef MATHNAS_BINDINGS_CLI_RECOMPUTE_OPTION_H_
#define MATHNAS_BINDINGS_CLI_RECOMPUTE_OPTION_H_

#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "kernels/recompute.h"

namespace mathnas::cli {

inline void AddRecompute(CLI::App* command, std::optional<kernels::Recomputed>& what) {
  using enum kernels::Recomputed;
  command
      ->add_option_function<std::string>(
          "--recompute",
          [&what](const std::string& name) {
            what = name == "nothing" ? kNothing : name == "blocks" ? kBlocks : kActivations;
          },
          "What is not kept for the backward pass but computed again, for less memory and the same bits: nothing, "
          "activations "
          "(and normalisations: little time), or blocks (all that a block keeps to itself: the time of a second "
          "forward pass) "
          "(default: "
          "activations, but nothing of supertransformer)")
      ->check(CLI::IsMember({"nothing", "activations", "blocks"}));
}

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_RECOMPUTE_OPTION_H_
