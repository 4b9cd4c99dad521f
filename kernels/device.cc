#include "kernels/device.h"

#include <utility>

#include "kernels/status.h"

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<const Kernel>> Device::Prepare(const Operator& op, DescSpan inputs, DescSpan outputs) {
  KernelCache::Key key = {op, Descs(inputs.begin(), inputs.end()), Descs(outputs.begin(), outputs.end())};
  if (auto kernel = cache_.Find(key)) return kernel;
  auto kernel = Make(op, inputs, outputs);
  if (!kernel.ok()) return Annotate(kernel.status(), NameOf(op));
  cache_.Insert(std::move(key), *kernel);
  return kernel;
}

}  // namespace mathnas::kernels
