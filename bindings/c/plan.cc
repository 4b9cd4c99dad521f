// mathnas_plan_...: networks prepared for a batch.
#include <algorithm>
#include <utility>

#include "bindings/c/model.h"
#include "bindings/c/status.h"
#include "fmt/format.h"
#include "kernels/lower_precision.h"
#include "mathnas/deploy/network.h"

namespace mathnas::c {

size_t WorkspaceBytes(const Plan& plan) {
  constexpr size_t kAlignment = kernels::Workspace::kAlignment;
  return (std::max<size_t>(plan.plan->arena_bytes(), 1) + kAlignment - 1) / kAlignment * kAlignment;
}

absl::StatusOr<PlanPtr> PreparePlan(NetworkPtr network, std::shared_ptr<kernels::Device> device,
                                    const mathnas_model_options& hooks, int64_t batch) {
  if (kernels::PrecisionOf(network->graph) == kernels::Precision::kBfloat16) {
    if (auto s = device->CheckBfloat16(); !s.ok()) return s;
  }
  const absl::StatusOr<kernels::Graph> graph = deploy::WithBatch(network->graph, batch);
  if (!graph.ok()) return graph.status();
  const kernels::Value output = graph->Find(network->output);
  kernels::Shape expected = network->graph.desc(network->graph.Find(network->output)).shape;
  expected[0] = batch;
  if (graph->desc(output).shape != expected) {
    return absl::InvalidArgumentError(fmt::format("output \"{}\" is {} for a batch of {}, expected {}", network->output,
                                                  kernels::ToString(graph->desc(output).shape), batch,
                                                  kernels::ToString(expected)));
  }
  auto plan = std::make_shared<Plan>();
  const kernels::PlanOutput outputs[] = {{network->output, output}};
  auto prepared = kernels::Plan::Create(*graph, outputs, *device, {.constant_weights = true});
  if (!prepared.ok()) return prepared.status();
  plan->plan = *std::move(prepared);
  plan->network = std::move(network);
  plan->device = std::move(device);
  plan->hooks = hooks;
  plan->batch = batch;
  plan->description = plan->plan->ToString();
  for (const auto& [name, tensor] : plan->network->weights.entries()) plan->weight_bytes += tensor.desc().bytes();
  // Contexts pack weights as long as they live. This one does so for the plan, and its memory goes at once.
  kernels::Workspace memory;
  auto keeper = kernels::Context::Create(plan->plan, {&plan->network->weights}, &memory);
  if (!keeper.ok()) return keeper.status();
  plan->keeper = *std::move(keeper);

  const deploy::Normalisation& n = plan->network->normalisation;
  for (size_t c = 0; c < std::max<size_t>(n.mean.size(), 1); ++c) {
    const double mean = n.mean.empty() ? 0 : n.mean[c], stddev = n.stddev.empty() ? 1 : n.stddev[c];
    for (int pixel = 0; pixel < 256; ++pixel) {
      plan->normalised.push_back(static_cast<float>((pixel - mean) / stddev));
    }
  }
  return plan;
}

}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else

mathnas_status mathnas_plan_create(mathnas_model model, const mathnas_plan_options* options, mathnas_plan* plan) {
  return Call([&]() -> absl::Status {
    if (plan == nullptr) return Null("plan", "the address of a handle");
    *plan = nullptr;
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    auto made = pinned->model->MakePlan(*known);
    if (!made.ok()) return made.status();
    return HandOut(std::make_unique<PlanHandle>(*std::move(made)), plan);
  });
}

mathnas_status mathnas_plan_destroy(mathnas_plan plan) {
  return Call([&] { return Destroy<PlanHandle>(plan); });
}

mathnas_status mathnas_plan_input(mathnas_plan plan, mathnas_tensor* tensor) {
  return Call([&]() -> absl::Status {
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    const Plan& p = *pinned->plan;
    const auto described = Describe(*p.network, p.network->input, p.input().desc);
    if (!described.ok()) return described.status();
    return Write(*described, tensor);
  });
}

mathnas_status mathnas_plan_output(mathnas_plan plan, mathnas_tensor* tensor) {
  return Call([&]() -> absl::Status {
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    const Plan& p = *pinned->plan;
    const auto described = Describe(*p.network, p.network->output, p.output().desc);
    if (!described.ok()) return described.status();
    return Write(*described, tensor);
  });
}

mathnas_status mathnas_plan_get_memory(mathnas_plan plan, mathnas_plan_memory* memory) {
  return Call([&]() -> absl::Status {
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    mathnas_plan_memory m = StructOf<mathnas_plan_memory>::Defaults();
    m.alignment = mathnas::kernels::Workspace::kAlignment;
    m.workspace_bytes = WorkspaceBytes(*pinned->plan);
    m.weight_bytes = pinned->plan->weight_bytes;
    m.packed_bytes = pinned->plan->device->packed()->bytes();
    return Write(m, memory);
  });
}

mathnas_status mathnas_plan_describe(mathnas_plan plan, const char** text) {
  return Call([&]() -> absl::Status {
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    if (text == nullptr) return Null("text", "an address");
    *text = pinned->plan->description.c_str();
    return absl::OkStatus();
  });
}
