#include "supernet/data/dataset.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/random.h"
#include "supernet/safetensors.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;
using testing::BigEndian32;
using testing::Read;
using testing::TempFolder;
using testing::Write;

// One call of zlib's deflate, as a gzip file.
std::string Gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// The reader to compare with: zlib's file interface, the whole file at once.
std::string ReadGzip(const std::string& path) {
  gzFile f = gzopen(path.c_str(), "rb");
  if (f == nullptr) return "";
  std::string all, chunk(1 << 20, '\0');
  for (int n; (n = gzread(f, chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;) {
    all.append(chunk, 0, static_cast<size_t>(n));
  }
  gzclose(f);
  return all;
}

std::string Noise(size_t n, uint64_t seed, uint32_t below = 256) {
  kernels::Random random(seed);
  std::string s;
  for (size_t i = 0; i < n; ++i) s += static_cast<char>(random.Below(below));
  return s;
}

std::string Images(uint32_t n, uint32_t h, uint32_t w, const std::string& pixels) {
  return BigEndian32(0x803) + BigEndian32(n) + BigEndian32(h) + BigEndian32(w) + pixels;
}
std::string Labels(uint32_t n, const std::string& values) { return BigEndian32(0x801) + BigEndian32(n) + values; }

using Files = std::map<std::string, std::string>;

// Six training and four test images of 3 x 5.
Files SmallIdx() {
  return {{"train-images-idx3-ubyte", Images(6, 3, 5, Noise(90, 1))},
          {"train-labels-idx1-ubyte", Labels(6, {0, 1, 2, 3, 4, 9})},
          {"t10k-images-idx3-ubyte", Images(4, 3, 5, Noise(60, 2))},
          {"t10k-labels-idx1-ubyte", Labels(4, {9, 8, 7, 0})}};
}

void WriteFiles(const TempFolder& folder, const Files& files) {
  for (const auto& [name, bytes] : files) Write(folder / name, bytes);
}

std::string Text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

void ExpectError(const std::string& spec, const std::vector<std::string>& parts, const DatasetOptions& options = {}) {
  const absl::Status status = LoadDataset(spec, options).status();
  ASSERT_FALSE(status.ok());
  for (const std::string& part : parts) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status << "\nlacks: " << part;
  }
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
}

// A file changed in one way, and the error for it.
struct Hostile {
  std::string name;   // of the file that is changed; in the error too
  std::string bytes;  // "absent" removes the file
  std::string expected;
};

TEST(Idx, PlainGzipAndOtherNames) {
  const Files files = SmallIdx();
  TempFolder plain, gzip, dots;
  WriteFiles(plain, files);
  for (const auto& [name, bytes] : files) {
    Write(gzip / (name + ".gz"), Gzip(bytes));
    std::string dotted = name;
    dotted.replace(dotted.find("-idx"), 1, ".");
    Write(dots / dotted, bytes);
  }
  for (const std::string& spec :
       {plain.str(), "fashion-mnist:" + plain.str(), "fashion-mnist:" + gzip.str(), dots.str()}) {
    absl::StatusOr<DatasetPair> data = LoadDataset(spec);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_EQ(data->train.count, 6);
    EXPECT_EQ(data->train.height, 3);
    EXPECT_EQ(data->train.width, 5);
    EXPECT_EQ(data->train.channels, 1);
    EXPECT_EQ(data->train.classes, 10);
    EXPECT_EQ(Text(data->train.images), files.at("train-images-idx3-ubyte").substr(16));
    EXPECT_EQ(Text(data->test.images), files.at("t10k-images-idx3-ubyte").substr(16));
    EXPECT_EQ(data->train.labels, (std::vector<int32_t>{0, 1, 2, 3, 4, 9}));
    EXPECT_EQ(data->test.labels, (std::vector<int32_t>{9, 8, 7, 0}));
    EXPECT_EQ(data->train.mean, data->test.mean);
  }
}

TEST(Idx, HostileFiles) {
  const Files good = SmallIdx();
  const std::string ti = "train-images-idx3-ubyte", tl = "train-labels-idx1-ubyte", ei = "t10k-images-idx3-ubyte";
  const std::string images = good.at(ti), labels = good.at(tl);
  std::string damaged = Gzip(images);
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // in the checksum
  std::string bomb = Gzip(Images(6, 3, 5, std::string(50'000'000, '\0')));
  const std::vector<Hostile> cases = {
      {ti, "absent", "expected a file train-images-idx3-ubyte or train-images-idx3-ubyte.gz"},
      {ti, "", "magic number: data ends after 0 bytes of it, expected 4"},
      {ti, images.substr(0, 3), "magic number: data ends after 3 bytes"},
      {ti, images.substr(0, 7), "count: data ends after 3 bytes of it, expected 4"},
      {ti, images.substr(0, 15), "columns: data ends after 3 bytes of it, expected 4"},
      {ti, images.substr(0, 16), "header promises 90 bytes of values, but the file of 16 bytes cannot hold them"},
      {ti, images.substr(0, 105), "header promises 90 bytes"},
      {ti, images + "x", "data goes on after the values that the header promises"},
      {ti, labels, "magic number 0x00000801, expected 0x00000803"},
      {ti, BigEndian32(0x803) + BigEndian32(0) + BigEndian32(3) + BigEndian32(5), "header: 0 images, expected 1"},
      {ti, Images(6, 0, 5, ""), "header: 0 rows, expected 1"},
      {ti, Images(6, 3, 0, ""), "header: 0 columns, expected 1"},
      {ti, Images(6, 3, 100000, ""), "header: 100000 columns, expected 1 to 65535"},
      {ti, Images(0xffffffff, 3, 5, ""), "header: 4294967295 images, expected 1 to"},
      {ti, Images(60000, 65535, 65535, ""), "60000 images of 65535x65535x1, expected at most 4294967296 bytes"},
      {ti, Images(1000000, 28, 28, ""), "header promises 784000000 bytes"},
      {ti, Images(5, 3, 5, Noise(75, 1)), "count: 6 labels, expected 5, the images of"},
      {ti, Gzip(Images(1000000, 28, 28, "")), "header promises 784000000 bytes of values, but the gzip file of"},
      {ti, Gzip(images).substr(0, 60), "gzip data is cut off"},
      {ti, Gzip(images).substr(0, Gzip(images).size() - 1), "gzip data is cut off"},
      {ti, Gzip(images.substr(0, 100)), "pixels: data ends after 84 bytes of it, expected 90"},
      {ti, Gzip(images) + "x", "bytes after the end of the gzip data"},
      {ti, Gzip(images) + Gzip(images), "bytes after the end of the gzip data"},
      {ti, Gzip(images + "x"), "data goes on after the values"},
      {ti, bomb, "data goes on after the values"},
      {ti, damaged, "gzip data is damaged"},
      {ti, "\x1f\x8b garbage garbage", "gzip data is damaged"},
      {tl, "absent", "expected a file train-labels-idx1-ubyte"},
      {tl, Labels(7, std::string(7, '\0')), "count: 7 labels, expected 6, the images of"},
      {tl, labels.substr(0, 13), "header promises 6 bytes of values"},
      {tl, labels + "x", "data goes on"},
      {tl, Labels(6, {0, 1, 2, 10, 4, 5}), "label 3 is 10, expected 0 to 9"},
      {tl, images, "magic number 0x00000803, expected 0x00000801"},
      {ei, Images(4, 5, 3, Noise(60, 2)), "test images of 5x3, expected 3x5"},
  };
  for (const Hostile& h : cases) {
    SCOPED_TRACE(h.name + ": " + h.expected);
    TempFolder folder;
    WriteFiles(folder, good);
    if (h.bytes == "absent") {
      std::filesystem::remove(folder / h.name);
    } else {
      Write(folder / h.name, h.bytes);
    }
    const bool names_folder = h.bytes == "absent" || h.name == ei;
    ExpectError(folder.str(), {names_folder ? folder.str() : folder / h.name, h.expected});
  }
}

TEST(Idx, MemoryCap) {
  TempFolder folder;
  WriteFiles(folder, SmallIdx());
  DatasetOptions options;
  options.max_bytes = 6 * (15 + 4);
  EXPECT_TRUE(LoadDataset(folder.str(), options).ok());
  options.max_bytes -= 1;
  ExpectError(folder.str(), {"6 images of 3x5x1, expected at most 113 bytes"}, options);
}

TEST(Idx, FolderMissing) {
  ExpectError("fashion-mnist:/nowhere", {"/nowhere: expected a folder of IDX files"});
  DatasetOptions options;
  options.fashion_mnist_folder = "/nowhere";
  ExpectError("fashion-mnist", {"/nowhere: expected a folder"}, options);
}

TEST(FashionMnist, RealFiles) {
  const std::string folder = DatasetOptions().fashion_mnist_folder;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  absl::StatusOr<DatasetPair> data = LoadDataset("fashion-mnist");
  ASSERT_TRUE(data.ok()) << data.status();
  const std::tuple<const ImageDataset*, const char*, int64_t> parts[] = {{&data->train, "train", 60000},
                                                                         {&data->test, "t10k", 10000}};
  for (const auto& [part, stem, count] : parts) {
    EXPECT_EQ(part->count, count);
    EXPECT_EQ(part->height, 28);
    EXPECT_EQ(part->width, 28);
    EXPECT_EQ(part->channels, 1);
    std::map<int, int64_t> per_class;
    for (int32_t label : part->labels) ++per_class[label];
    EXPECT_EQ(per_class.size(), 10u);
    for (const auto& [label, n] : per_class) EXPECT_EQ(n, count / 10) << label;

    const std::string images = ReadGzip(fmt::format("{}/{}-images-idx3-ubyte.gz", folder, stem));
    const std::string labels = ReadGzip(fmt::format("{}/{}-labels-idx1-ubyte.gz", folder, stem));
    ASSERT_EQ(images.size(), 16u + part->images.size());
    EXPECT_TRUE(std::equal(part->images.begin(), part->images.end(), images.begin() + 16,
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }));
    ASSERT_EQ(labels.size(), 8u + part->labels.size());
    EXPECT_TRUE(std::equal(part->labels.begin(), part->labels.end(), labels.begin() + 8));
  }
  EXPECT_NEAR(data->train.mean.at(0) / 255, 0.2860, 5e-5);
  EXPECT_NEAR(data->train.stddev.at(0) / 255, 0.3530, 5e-5);
  EXPECT_EQ(data->test.mean, data->train.mean);
}

// `n` records; every pixel tells its plane, place and record.
std::string CifarRecords(int n, int first_label = 0) {
  std::string s;
  for (int i = 0; i < n; ++i) {
    s += static_cast<char>((first_label + i) % 10);
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < 1024; ++p) s += static_cast<char>(i * 31 + c * 7 + p * 3);
    }
  }
  return s;
}

TEST(Cifar10, RecordsInOrderOfTheFiles) {
  TempFolder folder;
  Write(folder / "data_batch_2.bin", CifarRecords(2, 5));
  Write(folder / "data_batch_1.bin", CifarRecords(3, 0));
  Write(folder / "train_more.bin", CifarRecords(1, 9));
  Write(folder / "test_batch.bin", CifarRecords(2, 3));
  Write(folder / "batches.meta.txt", "airplane\n");
  Write(folder / "readme.html", "");
  absl::StatusOr<DatasetPair> data = LoadDataset("cifar10:" + folder.str());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.labels, (std::vector<int32_t>{0, 1, 2, 5, 6, 9}));
  EXPECT_EQ(data->test.labels, (std::vector<int32_t>{3, 4}));
  EXPECT_EQ(data->train.classes, 10);
  const int record_in_file[] = {0, 1, 2, 0, 1, 0};
  for (int64_t i = 0; i < 6; ++i) {
    const std::span<const uint8_t> image = data->train.image(i);
    ASSERT_EQ(image.size(), 3072u);
    for (size_t p = 0; p < 1024; ++p) {
      for (size_t c = 0; c < 3; ++c) {
        ASSERT_EQ(image[p * 3 + c], static_cast<uint8_t>(static_cast<size_t>(record_in_file[i]) * 31 + c * 7 + p * 3));
      }
    }
  }
  EXPECT_EQ(data->train.mean, (std::vector<double>{125.3, 123.0, 113.9}));
  EXPECT_EQ(data->test.stddev, (std::vector<double>{63.0, 62.1, 66.7}));
}

TEST(Cifar10, HostileFiles) {
  std::string bad_label = CifarRecords(3);
  bad_label[3073 * 2] = 10;
  const std::vector<Hostile> cases = {
      {"data_batch_1.bin", "absent", "expected data_batch_*.bin or train*.bin"},
      {"test_batch.bin", "absent", "expected test_batch.bin or test*.bin"},
      {"data_batch_1.bin", "", "0 bytes long, expected a multiple of 3073"},
      {"data_batch_1.bin", CifarRecords(2).substr(0, 6145), "6145 bytes long, expected a multiple of 3073"},
      {"data_batch_1.bin", CifarRecords(2) + "x", "6147 bytes long, expected a multiple of 3073"},
      {"test_batch.bin", CifarRecords(1).substr(0, 3072), "3072 bytes long, expected a multiple of 3073"},
      {"data_batch_1.bin", bad_label, "label of record 2 is 10, expected 0 to 9"},
      {"test_batch.bin", std::string(3073, '\xff'), "label of record 0 is 255, expected 0 to 9"},
  };
  for (const Hostile& h : cases) {
    SCOPED_TRACE(h.name + ": " + h.expected);
    TempFolder folder;
    WriteFiles(folder, {{"data_batch_1.bin", CifarRecords(3)}, {"test_batch.bin", CifarRecords(1)}});
    if (h.bytes == "absent") {
      std::filesystem::remove(folder / h.name);
    } else {
      Write(folder / h.name, h.bytes);
    }
    ExpectError("cifar10:" + folder.str(), {h.bytes == "absent" ? folder.str() : folder / h.name, h.expected});
  }
  ExpectError("cifar10:/nowhere", {"/nowhere: cannot be listed"});
  TempFolder folder;
  WriteFiles(folder, {{"test_batch.bin", CifarRecords(1)}});
  std::filesystem::create_directory(folder / "data_batch_1.bin");
  ExpectError("cifar10:" + folder.str(), {"data_batch_1.bin: expected a regular file"});
  DatasetOptions options;
  options.max_bytes = 3 * 3076 - 1;
  std::filesystem::remove(folder / "data_batch_1.bin");
  Write(folder / "data_batch_1.bin", CifarRecords(3));
  ExpectError("cifar10:" + folder.str(), {"3 images of 32x32x3, expected at most 9227 bytes"}, options);
}

TEST(Cifar10, SmallRealSubset) {
  const char* data_folder = std::getenv("MATHNAS_DATA");
  if (data_folder == nullptr) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with cifar10-small";
  const std::string folder = std::string(data_folder) + "/cifar10-small";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs " << folder;
  absl::StatusOr<DatasetPair> data = LoadDataset("cifar10:" + folder);
  ASSERT_TRUE(data.ok()) << data.status();
  for (const auto& [part, count] : {std::pair(&data->train, 5000), std::pair(&data->test, 1000)}) {
    EXPECT_EQ(part->count, count);
    std::map<int, int> per_class;
    for (int32_t label : part->labels) ++per_class[label];
    for (int c = 0; c < 10; ++c) EXPECT_EQ(per_class[c], count / 10);
  }
  // The README beside the files gives the means of all 6000 images.
  const double expected[] = {0.494, 0.484, 0.450};
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (const ImageDataset* part : {&data->train, &data->test}) {
      for (size_t i = c; i < part->images.size(); i += 3) sum += part->images[i];
    }
    EXPECT_NEAR(sum / (6000 * 1024) / 255, expected[c], 0.003) << c;
  }
}

// A file of `n` images of 2 x 3 x 2 with the given labels.
TensorMap Arrays(const std::vector<int64_t>& labels, const std::string& prefix = "") {
  TensorMap map;
  const auto n = static_cast<int64_t>(labels.size());
  Tensor images(DType::kU8, {n, 2, 3, 2}), values(DType::kI64, {n});
  for (size_t i = 0; i < images.as<uint8_t>().size(); ++i) images.as<uint8_t>()[i] = static_cast<uint8_t>(i * 5);
  std::copy(labels.begin(), labels.end(), values.as<int64_t>().begin());
  map.Put(prefix + "images", std::move(images));
  map.Put(prefix + "labels", std::move(values));
  return map;
}

TEST(Arrays, SplitsTheLastTenthOfEveryClass) {
  TempFolder folder;
  // Class 0: 25 images, class 1: 3, class 2: 1, mixed.
  std::vector<int64_t> labels(25, 0);
  labels.insert(labels.begin() + 4, {1, 2, 1});
  labels.insert(labels.begin() + 20, 1);
  ASSERT_TRUE(WriteSafetensors(folder / "a.safetensors", Arrays(labels)).ok());
  absl::StatusOr<DatasetPair> data = LoadDataset("arrays:" + folder / "a.safetensors");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.classes, 3);
  EXPECT_EQ(data->train.count, 26);
  EXPECT_EQ(data->test.labels, (std::vector<int32_t>{1, 0, 0}));
  const int64_t held_out[] = {20, 27, 28};
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t p = 0; p < 12; ++p) {
      EXPECT_EQ(data->test.image(i)[static_cast<size_t>(p)], static_cast<uint8_t>((held_out[i] * 12 + p) * 5));
    }
  }
}

TEST(Arrays, OwnTestPartAndClasses) {
  TempFolder folder;
  TensorMap map = Arrays({0, 1, 2});
  TensorMap test = Arrays({3, 0}, "test_");
  for (const TensorMap::Entry& e : test.entries()) map.Put(e.name, e.tensor.Clone());
  ASSERT_TRUE(WriteSafetensors(folder / "a", map).ok());
  absl::StatusOr<DatasetPair> data = LoadDataset("arrays:" + folder / "a");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.classes, 4);
  EXPECT_EQ(data->test.classes, 4);
  EXPECT_EQ(data->train.count, 3);
  EXPECT_EQ(data->test.labels, (std::vector<int32_t>{3, 0}));
  // Mean and deviation of the training part, by the plain formula.
  double sum = 0, squares = 0;
  for (int64_t i = 1; i < 36; i += 2) {
    const double v = static_cast<uint8_t>(i * 5);
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(data->test.mean.at(1), sum / 18, 1e-9);
  EXPECT_NEAR(data->test.stddev.at(1), std::sqrt(squares / 18 - sum / 18 * sum / 18), 1e-9);

  ASSERT_TRUE(WriteSafetensors(folder / "b", map, {{"classes", "12"}}).ok());
  data = LoadDataset("arrays:" + folder / "b");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.classes, 12);
}

TEST(Arrays, HostileFiles) {
  TempFolder folder;
  const std::string path = folder / "a.safetensors";
  auto expect = [&](const TensorMap& map, const std::string& part, const Metadata& metadata = {}) {
    SCOPED_TRACE(part);
    ASSERT_TRUE(WriteSafetensors(path, map, metadata).ok());
    ExpectError("arrays:" + path, {path + ": ", part});
  };
  auto changed = [](const std::function<void(TensorMap&)>& change) {
    TensorMap map = Arrays({0, 1, 0, 1});
    change(map);
    return map;
  };
  expect(TensorMap(), "images: missing, expected U8 {N, H, W, C}");
  TensorMap only_images;
  only_images.Put("images", Tensor(DType::kU8, {4, 2, 3, 2}));
  expect(only_images, "labels: missing, expected I64 {N}");
  expect(changed([](TensorMap& m) {
           m.Put("images", Tensor(DType::kF32, {4, 2, 3, 2}));
         }),
         "images: is F32 4x2x3x2, expected U8 {N, H, W, C}");
  expect(changed([](TensorMap& m) { m.Put("images", Tensor(DType::kU8, {4, 2, 3})); }), "images: is U8 4x2x3");
  expect(changed([](TensorMap& m) { m.Put("images", Tensor(DType::kU8, {0, 2, 3, 1})); }), "images: 0 images");
  expect(changed([](TensorMap& m) { m.Put("images", Tensor(DType::kU8, {4, 2, 3, 0})); }), "images: 0 channels");
  expect(changed([](TensorMap& m) { m.Put("images", Tensor(DType::kU8, {4, 2, 3, 65})); }), "images: 65 channels");
  expect(changed([](TensorMap& m) { m.Put("labels", Tensor(DType::kI64, {5})); }), "labels: is I64 5, expected I64 4");
  expect(changed([](TensorMap& m) { m.Put("labels", Tensor(DType::kI32, {4})); }), "labels: is I32 4, expected I64 4");
  expect(changed([](TensorMap& m) { m.Put("labels", Tensor(DType::kI64, {4, 1})); }), "labels: is I64 4x1");
  expect(Arrays({0, -1}), "labels: label 1 is -1, expected 0 to 65535");
  expect(Arrays({0, int64_t{1} << 40}), "labels: label 1 is 1099511627776, expected 0 to 65535");
  expect(Arrays({0, 1, 2}), "labels: no class has two images");
  expect(Arrays({0, 3, 3}), "labels: label 1 is 3, expected 0 to 2", {{"classes", "3"}});
  expect(Arrays({0, 0}), "metadata classes: \"ten\", expected 1 to 65536", {{"classes", "ten"}});
  expect(Arrays({0, 0}), "metadata classes: \"0\"", {{"classes", "0"}});
  expect(Arrays({0, 0}), "metadata classes: \"99999999999\"", {{"classes", "99999999999"}});
  expect(changed([](TensorMap& m) { m.Put("test_labels", Tensor(DType::kI64, {1})); }), "test_images: missing");
  expect(changed([](TensorMap& m) { m.Put("test_images", Tensor(DType::kU8, {1, 2, 3, 2})); }), "test_labels: missing");
  expect(changed([](TensorMap& m) {
           m.Put("test_images", Tensor(DType::kU8, {1, 2, 3, 1}));
           m.Put("test_labels", Tensor(DType::kI64, {1}));
         }),
         "test_images: of 2x3x1, expected 2x3x2 as in images");
  Write(path, "not safetensors at all");
  ExpectError("arrays:" + path, {path + ": header length"});
  ExpectError("arrays:" + folder / "missing", {"missing: cannot be opened"});
}

// The share of test images whose nearest class mean (of the training part) is their own.
double NearestMeanAccuracy(const DatasetPair& data) {
  const size_t values = data.train.image_bytes();
  std::vector<std::vector<double>> means(static_cast<size_t>(data.train.classes), std::vector<double>(values));
  std::vector<double> counts(means.size());
  for (int64_t i = 0; i < data.train.count; ++i) {
    const auto label = static_cast<size_t>(data.train.labels[static_cast<size_t>(i)]);
    ++counts[label];
    for (size_t v = 0; v < values; ++v) means[label][v] += data.train.image(i)[v];
  }
  int64_t right = 0;
  for (int64_t i = 0; i < data.test.count; ++i) {
    std::vector<double> distance(means.size());
    for (size_t c = 0; c < means.size(); ++c) {
      for (size_t v = 0; v < values; ++v) distance[c] += std::pow(data.test.image(i)[v] - means[c][v] / counts[c], 2);
    }
    right += std::min_element(distance.begin(), distance.end()) - distance.begin() ==
             data.test.labels[static_cast<size_t>(i)];
  }
  return static_cast<double>(right) / static_cast<double>(data.test.count);
}

TEST(Synthetic, LearnableAndRepeatable) {
  absl::StatusOr<DatasetPair> data = LoadDataset("synthetic:N=600,size=16,channels=3,classes=10");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.count, 600);
  EXPECT_EQ(data->test.count, 150);
  EXPECT_EQ(data->train.image_bytes(), 16u * 16 * 3);
  EXPECT_GT(NearestMeanAccuracy(*data), 0.5);  // chance: 0.1
  EXPECT_EQ(std::set<int32_t>(data->train.labels.begin(), data->train.labels.end()).size(), 10u);
  for (double s : data->train.stddev) EXPECT_GT(s, 20);

  const absl::StatusOr<DatasetPair> again = LoadDataset("synthetic:N=600");
  EXPECT_EQ(data->train.images, again->train.images);
  EXPECT_EQ(data->test.images, again->test.images);
  EXPECT_NE(data->train.images, LoadDataset("synthetic:N=600,seed=1")->train.images);
  DatasetOptions options;
  options.seed = 1;
  EXPECT_EQ(LoadDataset("synthetic:N=600,seed=1")->train.images, LoadDataset("synthetic:N=600", options)->train.images);
  // The first images do not depend on how many follow.
  const absl::StatusOr<DatasetPair> fewer = LoadDataset("synthetic:N=100");
  EXPECT_TRUE(std::equal(fewer->train.images.begin(), fewer->train.images.end(), data->train.images.begin()));
}

TEST(Synthetic, DefaultsAndOddSizes) {
  absl::StatusOr<DatasetPair> data = LoadDataset("synthetic");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.count, 2048);
  EXPECT_EQ(data->test.count, 512);
  data = LoadDataset("synthetic:N=3,test=2,size=1,channels=1,classes=1,noise=0");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->test.images.size(), 2u);
}

TEST(Synthetic, BadParameters) {
  ExpectError("synthetic:n=5", {"\"n=5\": expected N, test, size, channels, classes, noise or seed"});
  ExpectError("synthetic:N=0", {"\"N=0\": expected N=1 to"});
  ExpectError("synthetic:N=5x", {"\"N=5x\""});
  ExpectError("synthetic:N", {"\"N\": expected N=1 to"});
  ExpectError("synthetic:size=99999999999999999999", {"expected size=1 to 4096"});
  ExpectError("synthetic:seed=-1", {"expected seed=0 to 2^64-1"});
  ExpectError("synthetic:N=100000000,size=4096", {"expected at most 4294967296 bytes"});
  ExpectError("synthetic:,", {"\"\": expected N"});
}

TEST(LoadDataset, UnknownSpec) {
  for (const char* spec : {"", "imagenet", "imagenet:/x", "/nowhere"}) {
    ExpectError(spec, {"expected fashion-mnist, fashion-mnist:FOLDER, a folder of IDX files, cifar10:FOLDER"});
  }
  ExpectError("cifar10", {"expected cifar10:FOLDER"});
  ExpectError("cifar10:", {"expected cifar10:FOLDER"});
  ExpectError("arrays", {"expected arrays:FILE.safetensors"});
  ExpectError("fashion-mnist:", {"expected fashion-mnist:FOLDER"});
}

// `counts[c]` images of class c, mixed; the single pixel of image i is i.
ImageDataset Numbered(const std::vector<int>& counts) {
  ImageDataset d;
  d.name = "numbered";
  d.height = d.width = d.channels = 1;
  d.classes = static_cast<int>(counts.size());
  d.mean = {1};
  d.stddev = {2};
  for (bool more = true; more;) {
    more = false;
    for (size_t c = 0; c < counts.size(); ++c) {
      if (std::count(d.labels.begin(), d.labels.end(), static_cast<int32_t>(c)) == counts[c]) continue;
      d.images.push_back(static_cast<uint8_t>(d.count++));
      d.labels.push_back(static_cast<int32_t>(c));
      more = true;
    }
  }
  return d;
}

TEST(SplitTrainValidation, BalancedDisjointAndRepeatable) {
  const ImageDataset all = Numbered({40, 40, 20, 10, 0});
  absl::StatusOr<TrainValidationSplit> split = SplitTrainValidation(all, 33, 7);
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->validation.count, 33);
  EXPECT_EQ(split->train.count, 77);
  const int expected[] = {12, 12, 6, 3, 0};  // 33 / 110 of each
  for (int c = 0; c < 5; ++c) {
    EXPECT_EQ(std::count(split->validation.labels.begin(), split->validation.labels.end(), c), expected[c]) << c;
  }
  // Together they are the whole, each in the old order, with the old labels.
  std::vector<uint8_t> seen;
  for (const ImageDataset* part : {&split->train, &split->validation}) {
    ASSERT_EQ(part->images.size(), static_cast<size_t>(part->count));
    ASSERT_EQ(part->labels.size(), static_cast<size_t>(part->count));
    EXPECT_TRUE(std::is_sorted(part->images.begin(), part->images.end()));
    EXPECT_EQ(part->mean, all.mean);
    EXPECT_EQ(part->stddev, all.stddev);
    for (size_t i = 0; i < part->images.size(); ++i) EXPECT_EQ(part->labels[i], all.labels[part->images[i]]);
    seen.insert(seen.end(), part->images.begin(), part->images.end());
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, all.images);

  EXPECT_EQ(SplitTrainValidation(all, 33, 7)->validation.images, split->validation.images);
  EXPECT_NE(SplitTrainValidation(all, 33, 8)->validation.images, split->validation.images);
}

TEST(SplitTrainValidation, EveryCount) {
  const ImageDataset all = Numbered({3, 5, 1});
  for (int64_t n = 1; n < 9; ++n) {
    absl::StatusOr<TrainValidationSplit> split = SplitTrainValidation(all, n, 1);
    ASSERT_TRUE(split.ok());
    EXPECT_EQ(split->validation.count, n);
    EXPECT_EQ(split->train.count, 9 - n);
  }
  for (int64_t n : {int64_t{-1}, int64_t{0}, int64_t{9}, int64_t{1} << 60}) {
    EXPECT_EQ(SplitTrainValidation(all, n, 1).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace mathnas::supernet
