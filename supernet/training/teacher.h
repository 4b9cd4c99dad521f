// What a trained network thinks of a batch, as targets for others (distillation, spec/search-spaces.md 3.8).
#ifndef MATHNAS_SUPERNET_TRAINING_TEACHER_H_
#define MATHNAS_SUPERNET_TRAINING_TEACHER_H_

#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/plan.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

class Teacher {
 public:
  // `own_weights` of the space's base network; copied, since its running statistics move.
  Teacher(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
          const kernels::TensorMap& own_weights);

  // softmax(logits){N,classes} of images{N,H,W,C} in training mode; valid until the next call. The network is the base
  // one but for its resolution, which is that of `like`.
  absl::StatusOr<kernels::TensorView> Targets(const kernels::TensorView& images, const Choice& like);

 private:
  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  kernels::TensorMap weights_;
  std::map<Choice, std::unique_ptr<kernels::Context>> contexts_;  // by network
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_TEACHER_H_
