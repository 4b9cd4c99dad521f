// A batch in parts that run side by side. The threads of a device are those that its libraries were built for; parts on
// a device with one thread can run on any.
#ifndef MATHNAS_KERNELS_DIVIDED_BATCH_H_
#define MATHNAS_KERNELS_DIVIDED_BATCH_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/plan.h"
#include "kernels/tasks.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

// Plans of one graph for the parts of a batch. Immutable.
class DividedPlan {
 public:
  using PlanPtr = std::shared_ptr<const Plan>;
  struct Part {
    int64_t begin, rows;
    PlanPtr plan;
  };

  // At most `parts` parts of at least a row each, as equal as they can be, larger ones first: 8 rows in 3 parts are 3,
  // 3 and 2. `prepare` makes the plan for so many rows, once for each of the sizes, of which there are at most two.
  // InvalidArgument: no rows or parts, or a plan that has not exactly one input and one output, both float32 with the
  // rows as their first extent.
  static absl::StatusOr<std::shared_ptr<const DividedPlan>> Create(
      int64_t batch, int parts, absl::FunctionRef<absl::StatusOr<PlanPtr>(int64_t rows)> prepare);

  int64_t batch() const { return parts_.back().begin + parts_.back().rows; }
  const std::vector<Part>& parts() const { return parts_; }
  // Of the whole batch.
  const TensorDesc& input() const { return input_; }
  const TensorDesc& output() const { return output_; }
  size_t arena_bytes() const;  // of one context: of all parts
  // Plan::ToString; of several parts, each size once, below how many there are of it.
  std::string ToString() const;

  // A context for each size of parts, to pack weights for all others while they live and to keep them. Packing writes
  // to scratch memory, which is theirs, and gone when this returns: they never run.
  absl::StatusOr<std::vector<std::unique_ptr<const Context>>> Pack(absl::Span<const TensorMap* const> tensors) const;

 private:
  DividedPlan() = default;
  // The first part of each size.
  std::vector<const Part*> OneOfEach() const;

  std::vector<Part> parts_;
  TensorDesc input_, output_;
};

// What one thread needs to run such a plan. Not thread-safe; any number of contexts may share a plan.
class DividedContext {
 public:
  // Rows that a part is about to run.
  struct Rows {
    size_t part;
    int64_t begin, end;
    std::span<float> values;  // where it reads them
  };

  // As Context::Create, of plan->arena_bytes() of the workspace. Parts are run by `parallel_for`.
  static absl::StatusOr<std::unique_ptr<DividedContext>> Create(std::shared_ptr<const DividedPlan> plan,
                                                                absl::Span<const TensorMap* const> tensors,
                                                                TaskRunner parallel_for,
                                                                Workspace* workspace = nullptr);

  // Runs the first `rows` rows, 1 to the batch, and writes so many rows to `output`. `fill` writes the rows of a part
  // to where they are read, on the thread that then runs the part; parts without rows do not run, and the rest of the
  // last one is filled with zeros. Outputs are written when all parts are done, so they may overlap what `fill` reads;
  // none is written where a part fails. Allocates nothing. Errors of fill, Context::Run and Tasks::Run.
  absl::Status Run(int64_t rows, absl::FunctionRef<absl::Status(const Rows&)> fill, float* output);

  // Where a part has its rows: of the only part, what fill and output may leave in place.
  std::span<float> input(size_t part) const { return parts_[part].input; }
  std::span<float> output(size_t part) const { return parts_[part].output; }

  const DividedPlan& plan() const { return *plan_; }

 private:
  struct Part {
    std::unique_ptr<Context> context;
    std::span<float> input, output;
  };

  DividedContext(std::shared_ptr<const DividedPlan> plan, TaskRunner parallel_for);
  absl::Status RunPart(size_t part, int64_t rows, absl::FunctionRef<absl::Status(const Rows&)> fill);

  std::shared_ptr<const DividedPlan> plan_;
  TaskRunner parallel_for_;
  Tasks tasks_;
  Workspace own_workspace_;
  std::vector<Workspace> workspaces_;  // of the parts
  std::vector<Part> parts_;
  size_t row_in_ = 0, row_out_ = 0;  // elements of a row
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DIVIDED_BATCH_H_
