#include "kernels/divided_batch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

size_t ArenaBytes(const Plan& plan) {
  constexpr size_t kAlignment = Workspace::kAlignment;
  return (std::max<size_t>(plan.arena_bytes(), 1) + kAlignment - 1) / kAlignment * kAlignment;
}

absl::Status CheckPorts(const std::vector<Plan::Port>& ports, int64_t rows, std::string_view what) {
  if (ports.size() == 1) {
    const TensorDesc& desc = ports[0].desc;
    if (desc.dtype == DType::kF32 && !desc.shape.empty() && desc.shape[0] == rows) return absl::OkStatus();
  }
  std::string found;
  for (const Plan::Port& p : ports) {
    found += fmt::format("{}\"{}\" {} {}", found.empty() ? "" : ", ", p.name, Name(p.desc.dtype),
                         mathnas::kernels::ToString(p.desc.shape));
  }
  return absl::InvalidArgumentError(
      fmt::format("a batch that is divided: expected one {} of float32, {} rows first, found {}", what, rows, found));
}

// Of `desc`, for another number of rows.
TensorDesc WithRows(TensorDesc desc, int64_t rows) {
  desc.shape[0] = rows;
  return desc;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const DividedPlan>> DividedPlan::Create(
    int64_t batch, int parts, absl::FunctionRef<absl::StatusOr<PlanPtr>(int64_t rows)> prepare) {
  if (batch < 1 || parts < 1) {
    return absl::InvalidArgumentError(fmt::format("a batch of {} in {} parts: expected at least 1", batch, parts));
  }
  std::shared_ptr<DividedPlan> divided(new DividedPlan);
  const int64_t count = std::min<int64_t>(batch, parts);
  int64_t begin = 0;
  for (int64_t i = 0; i < count; ++i) {
    Part part = {begin, batch / count + (i < batch % count ? 1 : 0), nullptr};
    begin += part.rows;
    if (i > 0 && divided->parts_.back().rows == part.rows) {
      part.plan = divided->parts_.back().plan;
    } else {
      auto plan = prepare(part.rows);
      if (!plan.ok()) return plan.status();
      part.plan = *std::move(plan);
      if (auto s = CheckPorts(part.plan->inputs(), part.rows, "input"); !s.ok()) return s;
      if (auto s = CheckPorts(part.plan->outputs(), part.rows, "output"); !s.ok()) return s;
    }
    divided->parts_.push_back(std::move(part));
  }
  const Plan& first = *divided->parts_[0].plan;
  divided->input_ = WithRows(first.inputs()[0].desc, batch);
  divided->output_ = WithRows(first.outputs()[0].desc, batch);
  return divided;
}

std::vector<const DividedPlan::Part*> DividedPlan::OneOfEach() const {
  std::vector<const Part*> parts = {&parts_.front()};
  if (parts_.back().rows != parts_.front().rows) parts.push_back(&parts_.back());
  return parts;
}

size_t DividedPlan::arena_bytes() const {
  size_t bytes = 0;
  for (const Part& part : parts_) bytes += ArenaBytes(*part.plan);
  return bytes;
}

std::string DividedPlan::ToString() const {
  if (parts_.size() == 1) return parts_[0].plan->ToString();
  std::string text;
  for (const Part* one : OneOfEach()) {
    const auto count = std::count_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.rows == one->rows; });
    text += fmt::format("{} parts of {} rows:\n{}", count, one->rows, one->plan->ToString());
  }
  return text;
}

absl::StatusOr<std::vector<std::unique_ptr<const Context>>> DividedPlan::Pack(
    absl::Span<const TensorMap* const> tensors) const {
  std::vector<std::unique_ptr<const Context>> packed;
  for (const Part* one : OneOfEach()) {
    Workspace memory;
    auto context = Context::Create(one->plan, tensors, &memory);
    if (!context.ok()) return context.status();
    packed.push_back(*std::move(context));
  }
  return packed;
}

DividedContext::DividedContext(std::shared_ptr<const DividedPlan> plan, TaskRunner parallel_for)
    : plan_(std::move(plan)),
      parallel_for_(std::move(parallel_for)),
      tasks_(std::ssize(plan_->parts())),
      row_in_(static_cast<size_t>(plan_->input().elements() / plan_->batch())),
      row_out_(static_cast<size_t>(plan_->output().elements() / plan_->batch())) {}

absl::StatusOr<std::unique_ptr<DividedContext>> DividedContext::Create(std::shared_ptr<const DividedPlan> plan,
                                                                       absl::Span<const TensorMap* const> tensors,
                                                                       TaskRunner parallel_for, Workspace* workspace) {
  std::unique_ptr<DividedContext> made(new DividedContext(std::move(plan), std::move(parallel_for)));
  const std::vector<DividedPlan::Part>& parts = made->plan_->parts();
  Workspace& memory = workspace != nullptr ? *workspace : made->own_workspace_;
  if (parts.size() > 1) {
    auto* at = static_cast<std::byte*>(memory.Reserve(made->plan_->arena_bytes()));
    for (const DividedPlan::Part& part : parts) {
      made->workspaces_.emplace_back(std::span(at, ArenaBytes(*part.plan)));
      at += ArenaBytes(*part.plan);
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const Plan& p = *parts[i].plan;
    auto context = Context::Create(parts[i].plan, tensors, parts.size() > 1 ? &made->workspaces_[i] : &memory);
    if (!context.ok()) return context.status();
    const std::span<float> input = (*context)->Input(p.inputs()[0].name)->as<float>();
    const std::span<float> output = (*context)->Output(p.outputs()[0].name)->as<float>();
    made->parts_.push_back({*std::move(context), input, output});
  }
  return made;
}

absl::Status DividedContext::Run(int64_t rows, absl::FunctionRef<absl::Status(const Rows&)> fill, float* output) {
  const std::vector<DividedPlan::Part>& parts = plan_->parts();
  if (rows < 1 || rows > plan_->batch()) {
    return absl::InvalidArgumentError(fmt::format("{} rows: expected 1 to {}, the batch", rows, plan_->batch()));
  }
  int64_t with_rows = 0;
  while (with_rows < std::ssize(parts) && parts[static_cast<size_t>(with_rows)].begin < rows) ++with_rows;
  const auto run = [&](int64_t part) { return RunPart(static_cast<size_t>(part), rows, fill); };
  if (auto s = tasks_.Run(parallel_for_, with_rows, run); !s.ok()) return s;
  for (size_t i = 0; i < static_cast<size_t>(with_rows); ++i) {
    const auto count = static_cast<size_t>(std::min(parts[i].rows, rows - parts[i].begin));
    std::memmove(output + static_cast<size_t>(parts[i].begin) * row_out_, parts_[i].output.data(),
                 count * row_out_ * sizeof(float));
  }
  return absl::OkStatus();
}

absl::Status DividedContext::RunPart(size_t part, int64_t rows, absl::FunctionRef<absl::Status(const Rows&)> fill) {
  const DividedPlan::Part& p = plan_->parts()[part];
  Part& own = parts_[part];
  const int64_t end = std::min(p.begin + p.rows, rows);
  const size_t filled = static_cast<size_t>(end - p.begin) * row_in_;
  if (auto s = fill({part, p.begin, end, own.input.first(filled)}); !s.ok()) return s;
  const std::span<float> rest = own.input.subspan(filled);
  std::fill(rest.begin(), rest.end(), 0.0f);
  return own.context->Run();
}

}  // namespace mathnas::kernels
