// Checkpoints that the program has written.
#ifndef MATHNAS_TESTS_BINDINGS_CHECKPOINTS_H_
#define MATHNAS_TESTS_BINDINGS_CHECKPOINTS_H_

#include <cstring>
#include <string>

#include "gtest/gtest.h"
#include "supernet/safetensors.h"

namespace mathnas::cli {

// Every tensor of two checkpoints, momentum included.
inline void ExpectSameTensors(const std::string& a, const std::string& b) {
  auto first = supernet::SafetensorsFile::Open(a), second = supernet::SafetensorsFile::Open(b);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  ASSERT_EQ(first->names(), second->names());
  for (const std::string& name : first->names()) {
    const auto x = *first->Get(name), y = *second->Get(name);
    ASSERT_EQ(x.desc, y.desc) << name;
    EXPECT_EQ(std::memcmp(x.data, y.data, x.desc.bytes()), 0) << name;
  }
}

// The same, and by the same recipe.
inline void ExpectSameRun(const std::string& a, const std::string& b) {
  ExpectSameTensors(a, b);
  auto first = supernet::SafetensorsFile::Open(a), second = supernet::SafetensorsFile::Open(b);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->metadata().at("recipe"), second->metadata().at("recipe"));
}

}  // namespace mathnas::cli

#endif  // MATHNAS_TESTS_BINDINGS_CHECKPOINTS_H_
