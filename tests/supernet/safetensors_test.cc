#include "supernet/safetensors.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/random.h"
#include "nlohmann/json.hpp"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorDesc;
using kernels::TensorMap;
using testing::FileSizeLimit;
using testing::LittleEndian64;
using testing::Read;
using testing::TempFolder;
using testing::Write;

// A file put together by hand.
std::string Raw(const std::string& header, const std::string& data = "") {
  return LittleEndian64(header.size()) + header + data;
}

// One tensor of every type, odd sizes, filled with noise.
TensorMap Samples() {
  TensorMap map;
  const std::pair<const char*, TensorDesc> tensors[] = {{"u8", {DType::kU8, {3, 5}}},
                                                        {"cells.0.layers.1.op.1.weight", {DType::kF32, {2, 3, 3, 1}}},
                                                        {"f64", {DType::kF64, {7}}},
                                                        {"num_batches_tracked", {DType::kI64, {}}},
                                                        {"i32", {DType::kI32, {1, 1, 1, 1, 1, 9}}},
                                                        {"bf16", {DType::kBf16, {3, 1}}},
                                                        {"f16", {DType::kF16, {3, 1}}},
                                                        {"empty", {DType::kF32, {0, 4}}},
                                                        {"_cells.2.edges.1<-0.\"3\"\n\xc3\xa9", {DType::kF32, {1}}}};
  kernels::Random random(5);
  for (const auto& [name, desc] : tensors) {
    Tensor t(desc);
    auto* bytes = static_cast<uint8_t*>(t.data());
    for (size_t i = 0; i < desc.bytes(); ++i) bytes[i] = static_cast<uint8_t>(random.Next());
    map.Put(name, std::move(t));
  }
  return map;
}

void ExpectSame(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const TensorMap::Entry& e : a.entries()) {
    const Tensor* other = b.Find(e.name);
    ASSERT_NE(other, nullptr) << e.name;
    EXPECT_EQ(e.tensor.desc(), other->desc()) << e.name;
    if (e.tensor.desc().bytes() > 0) {
      EXPECT_EQ(std::memcmp(e.tensor.data(), other->data(), e.tensor.desc().bytes()), 0) << e.name;
    }
  }
}

TEST(Safetensors, RoundTrip) {
  TempFolder folder;
  const TensorMap map = Samples();
  const Metadata metadata = {{"space", "nasbench201"}, {"note", "quote \" slash \\ \xc3\xa9"}, {"", ""}};
  ASSERT_TRUE(WriteSafetensors(folder / "a.safetensors", map, metadata).ok());
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(folder / "a.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata(), metadata);
  EXPECT_EQ(file->names().size(), map.size());
  ExpectSame(map, file->LoadAll());
  EXPECT_EQ(file->Get("absent").status().code(), absl::StatusCode::kNotFound);

  const SafetensorsFile moved = *std::move(file);
  EXPECT_EQ(moved.Get("f64")->as<double>().size(), 7u);
  EXPECT_TRUE(moved.Get("u8", {DType::kU8, {3, 5}}).ok());
  const absl::Status wrong = moved.Get("u8", {DType::kU8, {5, 3}}).status();
  EXPECT_NE(wrong.message().find("tensor \"u8\": is U8 3x5, expected U8 5x3"), std::string::npos) << wrong;
}

TEST(Safetensors, NoTensors) {
  TempFolder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "none", TensorMap()).ok());
  EXPECT_EQ(Read(folder / "none"), Raw("{}      "));
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(folder / "none");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->names().empty());
}

// The bytes of a file written by hand after the format's description.
TEST(Safetensors, ByteLayout) {
  TempFolder folder;
  TensorMap map;
  Tensor u8(DType::kU8, {3}), b(DType::kF32, {1, 2}), a(DType::kF32, {1}), i64(DType::kI64, {1});
  std::memcpy(u8.data(), "\x01\x02\x03", 3);
  b.as<float>()[0] = 1.0f;   // 00 00 80 3f
  b.as<float>()[1] = -2.0f;  // 00 00 00 c0
  a.as<float>()[0] = 0.5f;   // 00 00 00 3f
  i64.as<int64_t>()[0] = 258;
  map.Put("u8", std::move(u8));
  map.Put("b", std::move(b));
  map.Put("a", std::move(a));
  map.Put("z", std::move(i64));
  ASSERT_TRUE(WriteSafetensors(folder / "f", map, {{"k", "v"}}).ok());

  std::string header = R"({"__metadata__":{"k":"v"},)"
                       R"("z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                       R"("b":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},)"
                       R"("u8":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}})";
  while (header.size() % 8 != 0) header += ' ';
  using std::string_literals::operator""s;
  EXPECT_EQ(Read(folder / "f"), Raw(header,
                                    "\x02\x01\0\0\0\0\0\0"
                                    "\0\0\0\x3f"
                                    "\0\0\x80\x3f\0\0\0\xc0"
                                    "\x01\x02\x03"s));
}

TEST(Safetensors, SameTensorsSameBytesAndEveryOneAligned) {
  TempFolder folder;
  const TensorMap map = Samples();
  TensorMap reversed;
  for (auto it = map.entries().rbegin(); it != map.entries().rend(); ++it) reversed.Put(it->name, it->tensor.Clone());
  ASSERT_TRUE(WriteSafetensors(folder / "a", map).ok());
  ASSERT_TRUE(WriteSafetensors(folder / "b", reversed).ok());
  const std::string bytes = Read(folder / "a");
  EXPECT_EQ(bytes, Read(folder / "b"));

  // An independent look at the header.
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  for (const TensorMap::Entry& e : map.entries()) {
    const uint64_t begin = header.at(e.name).at("data_offsets").at(0);
    EXPECT_EQ(begin % kernels::SizeOf(e.tensor.desc().dtype), 0u) << e.name;
    EXPECT_EQ(bytes.compare(8 + header_bytes + begin, e.tensor.desc().bytes(),
                            std::string(static_cast<const char*>(e.tensor.data()), e.tensor.desc().bytes())),
              0)
        << e.name;
  }
}

TEST(Safetensors, MisalignedTensorsAreCopied) {
  TempFolder folder;
  const std::string header =
      R"({"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F64","shape":[2],"data_offsets":[1,17]}})";
  const double values[] = {1.5, -3.25};
  for (int pad = 0; pad < 8; ++pad) {
    Write(folder / "f", Raw(header + std::string(static_cast<size_t>(pad), ' '),
                            "\x07" + std::string(reinterpret_cast<const char*>(values), 16)));
    absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(folder / "f");
    ASSERT_TRUE(file.ok()) << file.status();
    const SafetensorsFile moved = *std::move(file);
    const ConstTensorView view = *moved.Get("w");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % 8, 0u);
    EXPECT_EQ(view.as<double>()[0], 1.5);
    EXPECT_EQ(view.as<double>()[1], -3.25);
    EXPECT_EQ(moved.Get("c")->as<uint8_t>()[0], 7);
  }
}

TEST(Safetensors, FullDiskLeavesTheOldFile) {
  TempFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const TensorMap old = Samples();
  ASSERT_TRUE(WriteSafetensors(path, old).ok());
  TensorMap big;
  ASSERT_TRUE(big.Add("big", {DType::kF32, {100, 1000}}).ok());
  absl::Status status;
  {
    FileSizeLimit limit(10000);
    status = WriteSafetensors(path, big);
  }
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(path), std::string::npos) << status;
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectSame(old, file->LoadAll());
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Safetensors, ReplacingLeavesAnOpenMappingIntact) {
  TempFolder folder;
  TensorMap ones, twos;
  ones.Add("w", {DType::kI32, {50000}})->as<int32_t>()[49999] = 1;
  twos.Add("w", {DType::kI32, {2}})->as<int32_t>()[1] = 2;
  ASSERT_TRUE(WriteSafetensors(folder / "f", ones).ok());
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(folder / "f");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(WriteSafetensors(folder / "f", twos).ok());
  EXPECT_EQ(file->Get("w")->as<int32_t>()[49999], 1);
  EXPECT_EQ(SafetensorsFile::Open(folder / "f")->Get("w")->as<int32_t>()[1], 2);
}

TEST(Safetensors, WriterRefuses) {
  TempFolder folder;
  const Tensor t(DType::kF32, {1});
  auto write = [&](std::vector<NamedTensor> tensors, const Metadata& metadata = {}) {
    return std::string(WriteSafetensors(folder / "f", tensors, metadata).message());
  };
  EXPECT_NE(write({{"a", t.view()}, {"b", t.view()}, {"a", t.view()}}).find("\"a\": expected every name once"),
            std::string::npos);
  EXPECT_NE(write({{"__metadata__", t.view()}}).find("reserved"), std::string::npos);
  EXPECT_NE(write({{"a\xff", t.view()}}).find("expected UTF-8"), std::string::npos);
  EXPECT_NE(write({}, {{"key", "\xc3"}}).find("expected UTF-8"), std::string::npos);
  EXPECT_EQ(folder.entries(), 0);
}

struct Hostile {
  const char* name;
  std::string bytes;
  std::string expected;  // a part of the error
};

std::vector<Hostile> HostileFiles() {
  // A tensor entry, and files of one and of two.
  auto entry = [](std::string name, std::string shape, std::string offsets, std::string dtype = "F32") {
    return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype, shape, offsets);
  };
  auto one = [&](std::string shape, std::string offsets, size_t data, std::string dtype = "F32") {
    return Raw("{" + entry("w", shape, offsets, dtype) + "}", std::string(data, 'x'));
  };
  auto two = [&](std::string first, std::string second, size_t data) {
    return Raw("{" + entry("a", "1", first) + "," + entry("b", "1", second) + "}", std::string(data, 'x'));
  };
  using std::string_literals::operator""s;
  std::string deep = R"({"w":{"dtype":)";
  for (int i = 0; i < 200000; ++i) deep += '[';
  std::string deep_objects = R"({"w":)";
  for (int i = 0; i < 200000; ++i) deep_objects += R"({"dtype":)";
  return {
      {"empty", "", "0 bytes long, expected at least 8"},
      {"seven bytes", "\x02\0\0\0\0\0\0"s, "7 bytes long, expected at least 8"},
      {"no header", LittleEndian64(0), "header: expected a JSON object"},
      {"length past the end", LittleEndian64(100) + "{}", "header length 100, expected at most 2"},
      {"length one past the end", LittleEndian64(3) + "{}", "header length 3, expected at most 2"},
      {"length above the cap", LittleEndian64(100'000'001) + "{}",
       "header length 100000001, expected at most 100000000"},
      {"length of all ones", LittleEndian64(~uint64_t{0}) + "{}", "header length 18446744073709551615"},
      {"length that wraps", LittleEndian64(~uint64_t{0} - 7) + "{}", "expected at most 100000000"},
      {"not JSON", Raw("{]"), "not valid JSON at byte 2"},
      {"not an object", Raw("[1]"), "expected a JSON object"},
      {"leading space", Raw(" {}"), "expected a JSON object"},
      {"cut JSON", Raw(R"({"w":{"dtype":"F32")"), "not valid JSON"},
      {"text after JSON", Raw("{} x"), "not valid JSON"},
      {"zero byte", Raw("{}\0\0"s), "zero byte"},
      {"bad UTF-8", Raw("{\"\xff\":1}"), "not valid JSON"},
      {"pickle", std::string("\x80\x02}q\0.\x80\x02}q\0."s), "expected at most"},
      {"tensor is a number", Raw(R"({"w":1})"), R"(tensor "w": found 1, expected an object)"},
      {"tensor is null", Raw(R"({"w":null})"), R"(tensor "w": found null, expected an object)"},
      {"tensor is an array", Raw(R"({"w":[]})"), R"(tensor "w": found an array, expected an object)"},
      {"unknown field", Raw(R"({"w":{"strides":[1]}})"), R"(tensor "w": "strides": unknown field)"},
      {"field twice", Raw(R"({"w":{"dtype":"F32","dtype":"F32"}})"), R"(tensor "w": dtype: expected every field once)"},
      {"dtype missing", Raw(R"({"w":{"shape":[],"data_offsets":[0,0]}})"), R"(tensor "w": field dtype is missing)"},
      {"shape missing", Raw(R"({"w":{"dtype":"U8","data_offsets":[0,0]}})"), R"(tensor "w": field shape is missing)"},
      {"offsets missing", Raw(R"({"w":{"dtype":"U8","shape":[]}})"), R"(tensor "w": field data_offsets is missing)"},
      {"empty tensor entry", Raw(R"({"w":{}})"), R"(tensor "w": field dtype is missing)"},
      {"float8", one("1", "0,1", 1, "F8_E4M3"),
       R"(tensor "w": dtype: element type "F8_E4M3" is not supported, expected F32, F64, I64, I32, U8, BF16 or F16)"},
      {"dtype number", Raw(R"({"w":{"dtype":32}})"), R"(tensor "w": dtype: found 32, expected a string)"},
      {"shape text", Raw(R"({"w":{"shape":"1"}})"), R"(tensor "w": shape: found the string "1", expected an array)"},
      {"negative extent", one("-1", "0,4", 4), R"(tensor "w": shape: found -1, expected extents)"},
      {"fractional extent", one("1.5", "0,4", 4), R"(tensor "w": shape: found 1.5)"},
      {"float extent", one("1e3", "0,4", 4), R"(tensor "w": shape: found 1e3)"},
      {"extent above 63 bits", one("9223372036854775808", "0,4", 4), "shape: found 9223372036854775808"},
      {"extent above 64 bits", one("36893488147419103232", "0,4", 4), "shape: found 36893488147419103232"},
      {"extent beyond double", one("1" + std::string(400, '0'), "0,4", 4), "not valid JSON"},
      {"product overflows", one("4294967296,4294967296", "0,0", 0),
       "shape 4294967296x4294967296: does not fit 63 bits"},
      {"product times size overflows", one("4611686018427387904", "0,0", 0), "does not fit 63 bits"},
      {"product overflows before a zero", one("9223372036854775807,9223372036854775807,0", "0,0", 0),
       "does not fit 63 bits"},
      {"rank 33", one("1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "0,4", 4),
       R"(tensor "w": shape: expected at most 32 extents)"},
      {"nested shape", one("[1]", "0,4", 4), R"(tensor "w": shape: found an array)"},
      {"one offset", one("1", "0", 4), R"(tensor "w": data_offsets: found 1 numbers, expected two)"},
      {"three offsets", one("1", "0,4,8", 8), R"(tensor "w": data_offsets: found 8, expected two numbers)"},
      {"negative offset", one("1", "-4,0", 4), R"(tensor "w": data_offsets: found -4)"},
      {"offsets reversed", one("1", "4,0", 4), "data_offsets [4, 0]: expected begin <= end <= 4"},
      {"end past the file", one("1", "0,8", 4), "data_offsets [0, 8]: expected begin <= end <= 4"},
      {"offsets near 2^64", one("1", "18446744073709551612,18446744073709551615", 4), "expected begin <= end <= 4"},
      {"too few bytes", one("2", "0,4", 4), "hold 4 bytes, expected 8 for F32 2"},
      {"too many bytes", one("1", "0,8", 8), "hold 8 bytes, expected 4 for F32 1"},
      {"truncated data", one("4", "0,16", 15), "data_offsets [0, 16]: expected begin <= end <= 15"},
      {"bytes after the last", one("1", "0,4", 5), "5 bytes after the header, expected 4"},
      {"bytes without tensors", Raw("{}", "x"), "1 bytes after the header, expected 0"},
      {"overlap", two("0,4", "2,6", 6), R"(tensor "b": data_offsets begin at 2, expected 4)"},
      {"same place", two("0,4", "0,4", 4), R"(tensor "b": data_offsets begin at 0, expected 4)"},
      {"hole", two("0,4", "8,12", 12), R"(tensor "b": data_offsets begin at 8, expected 4)"},
      {"hole at the start", one("1", "4,8", 8), R"(tensor "w": data_offsets begin at 4, expected 0)"},
      {"name twice", Raw("{" + entry("a", "1", "0,4") + "," + entry("a", "1", "4,8") + "}", "12345678"),
       R"(tensor "a": expected every name once)"},
      {"name twice, escaped", Raw("{" + entry("a", "1", "0,4") + "," + entry("\\u0061", "1", "4,8") + "}", "12345678"),
       R"(tensor "a": expected every name once)"},
      {"metadata is text", Raw(R"({"__metadata__":"x"})"), R"(__metadata__: found the string "x", expected an object)"},
      {"metadata number", Raw(R"({"__metadata__":{"k":1}})"), R"(__metadata__: "k": found 1, expected a string)"},
      {"metadata nested", Raw(R"({"__metadata__":{"k":{"x":"y"}}})"), R"(__metadata__: "k": found an object)"},
      {"metadata key twice", Raw(R"({"__metadata__":{"k":"","k":""}})"),
       R"(__metadata__: "k": expected every field once)"},
      {"metadata twice", Raw(R"({"__metadata__":{},"__metadata__":{}})"), "__metadata__: expected every name once"},
      {"deep arrays", Raw(deep), R"(tensor "w": dtype: found an array, expected a string)"},
      {"deep objects", Raw(deep_objects), R"(tensor "w": dtype: found an object, expected a string)"},
      {"deep top level", Raw("{\"w\":" + std::string(200000, '[')),
       R"(tensor "w": found an array, expected an object)"},
      {"line breaks in a name", Raw("{\"a\\nb\\u0000\":1}"), R"(tensor "a\nb\u0000": found 1)"},
      {"long name", Raw("{\"" + std::string(1000, 'n') + "\":1}"), "nnn\"...: found 1"},
  };
}

TEST(Safetensors, HostileFiles) {
  TempFolder folder;
  const std::string path = folder / "hostile.safetensors";
  for (const Hostile& h : HostileFiles()) {
    SCOPED_TRACE(h.name);
    Write(path, h.bytes);
    const absl::Status status = SafetensorsFile::Open(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const std::string message(status.message());
    EXPECT_EQ(message.rfind(path + ": ", 0), 0u) << message;
    EXPECT_NE(message.find(h.expected), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << "one line";
    EXPECT_LT(message.size(), 600u);
  }
}

// Every prefix of a good file, and the file with every single byte changed: an error or a file whose tensors can all be
// read, never a crash.
TEST(Safetensors, TruncatedAndDamagedFiles) {
  TempFolder folder;
  const std::string path = folder / "f";
  ASSERT_TRUE(WriteSafetensors(path, Samples(), {{"k", "v"}}).ok());
  const std::string good = Read(path);
  for (size_t n = 0; n < good.size(); ++n) {
    Write(path, good.substr(0, n));
    EXPECT_EQ(SafetensorsFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument) << n << " bytes";
  }
  kernels::Random random(9);
  for (size_t n = 0; n < good.size(); ++n) {
    std::string bad = good;
    bad[n] = static_cast<char>(bad[n] ^ (1 + random.Below(255)));
    Write(path, bad);
    absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    if (file.ok()) file->LoadAll();
  }
}

TEST(Safetensors, NotAFile) {
  TempFolder folder;
  EXPECT_EQ(SafetensorsFile::Open(folder / "missing").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SafetensorsFile::Open(folder.str()).status().code(), absl::StatusCode::kInvalidArgument);
}

// Read what a tool of the format's authors would write: metadata last, no padding, any order of fields and tensors.
TEST(Safetensors, AcceptsOtherWriters) {
  TempFolder folder;
  Write(folder / "f", Raw(R"({"b":{"shape":[2],"data_offsets":[4,6],"dtype":"U8"}, )"
                          R"("a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"__metadata__":{"format":"pt"}} )",
                          std::string("\0\0\x80\x3f\x05\x06", 6)));
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(folder / "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->Load("a")->as<float>()[0], 1.0f);
  EXPECT_EQ(file->Load("b")->as<uint8_t>()[1], 6);
}

}  // namespace
}  // namespace mathnas::supernet
