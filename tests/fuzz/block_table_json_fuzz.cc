// Block tables as JSON: refused with a message, or read and written without loss.
#include <string_view>

#include "check.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/networks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mathnas;  // the parts under test
  const auto table = core::Parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!table.ok()) {
    fuzz::Check(absl::IsInvalidArgument(table.status()) && !table.status().message().empty(), "an error without words");
    return 0;
  }
  fuzz::Check(core::Validate(*table).ok(), "a table that is not valid");
  const std::string text = core::ToJson(*table);
  const auto again = core::Parse(text, "again");
  fuzz::Check(again.ok(), "what is written cannot be read");
  fuzz::Check(core::ToJson(*again) == text, "what is read differs from what is written");
  fuzz::Check(core::CountNetworks(*table) >= 0, "the number of networks");
  return 0;
}
