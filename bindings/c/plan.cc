// mathnas_plan_...: networks prepared for a batch.
#include <utility>

#include "bindings/c/hooks.h"
#include "bindings/c/model.h"
#include "bindings/c/status.h"
#include "mathnas/deploy/network.h"

namespace mathnas::c {

OwnMemory OwnMemoryOf(const Plan& plan) {
  if (plan.plan->parts().size() == 1) return {};
  const auto aligned = [](size_t bytes) {
    constexpr size_t kAlignment = kernels::Workspace::kAlignment;
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  return {aligned(plan.plan->input().bytes()), aligned(plan.plan->output().bytes())};
}

size_t WorkspaceBytes(const Plan& plan) {
  const OwnMemory own = OwnMemoryOf(plan);
  return own.input_bytes + own.output_bytes + plan.plan->arena_bytes();
}

absl::StatusOr<PlanPtr> PreparePlan(NetworkPtr network, std::shared_ptr<kernels::Device> device,
                                    const mathnas_model_options& hooks, int64_t batch) {
  auto prepared = deploy::PlanOf(*network, *device, batch, DivisionOf(hooks).parts);
  if (!prepared.ok()) return prepared.status();
  auto plan = std::make_shared<Plan>();
  plan->plan = *std::move(prepared);
  plan->network = std::move(network);
  plan->device = std::move(device);
  plan->hooks = hooks;
  plan->description = plan->plan->ToString();
  for (const auto& [name, tensor] : plan->network->weights.entries()) plan->weight_bytes += tensor.desc().bytes();
  auto keepers = plan->plan->Pack({&plan->network->weights});
  if (!keepers.ok()) return keepers.status();
  plan->keepers = *std::move(keepers);
  plan->pixel_values = deploy::PixelValues(plan->network->normalisation);
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
    const auto described = Describe(*p.network, p.network->input, p.plan->input());
    if (!described.ok()) return described.status();
    return Write(*described, tensor);
  });
}

mathnas_status mathnas_plan_output(mathnas_plan plan, mathnas_tensor* tensor) {
  return Call([&]() -> absl::Status {
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    const Plan& p = *pinned->plan;
    const auto described = Describe(*p.network, p.network->output, p.plan->output());
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
