// Subnets and block sets of MobileNetV3: what is read is valid, and reads back from what is written.
#include <string_view>
#include <vector>

#include "check.h"
#include "supernet/mobilenetv3/architecture.h"
#include "supernet/mobilenetv3/block_sets.h"

using mathnas::fuzz::Check;
namespace mobilenetv3 = mathnas::supernet::mobilenetv3;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto architecture = mobilenetv3::ParseArchitecture(text);
  if (architecture.ok()) {
    Check(mobilenetv3::Check(*architecture).ok(), "a subnet that is not allowed");
    Check(mobilenetv3::Canonical(*architecture) == *architecture, "a subnet that is not canonical");
    const auto again = mobilenetv3::ParseArchitecture(mobilenetv3::ToJson(*architecture));
    Check(again.ok() && *again == *architecture, "a subnet that reads back as another");
  } else {
    Check(absl::IsInvalidArgument(architecture.status()), "another error than a bad argument");
  }
  const auto coded = mobilenetv3::ParseCodes(mobilenetv3::CpuBlocks(), text, mobilenetv3::kDefaultResolution);
  Check(coded.ok() || absl::IsInvalidArgument(coded.status()), "another error than a bad argument");
  Check(!coded.ok() || mobilenetv3::Check(*coded).ok(), "codes of a subnet that is not allowed");
  const auto set = mobilenetv3::ParseBlockSet(text);
  if (set.ok()) {
    Check(mobilenetv3::Check(*set).ok(), "a block set that is not allowed");
    const auto again = mobilenetv3::ParseBlockSet(mobilenetv3::ToJson(*set));
    Check(again.ok() && *again == *set, "a block set that reads back as another");
    std::vector<int> codes;
    for (const auto& stage : set->stages) codes.push_back(static_cast<int>(stage.size()) - 1);
    const auto last = mobilenetv3::ArchitectureOf(*set, codes);
    Check(last.ok(), "a block set with a network that is not allowed");
    const auto found = mobilenetv3::CodesOf(*set, *last);
    Check(found.ok() && *found == codes, "codes that are not found again");
  } else {
    Check(absl::IsInvalidArgument(set.status()), "another error than a bad argument");
  }
  return 0;
}
