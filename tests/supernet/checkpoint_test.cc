#include "supernet/training/checkpoint.h"

#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"
#include "supernet/safetensors.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;
using testing::FileSizeLimit;
using testing::Read;
using testing::TempFolder;
using testing::Write;

bool SameTensors(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const TensorMap::Entry& e : a.entries()) {
    const Tensor* other = b.Find(e.name);
    if (other == nullptr || other->desc() != e.tensor.desc()) return false;
    if (std::memcmp(other->data(), e.tensor.data(), e.tensor.desc().bytes()) != 0) return false;
  }
  return true;
}

std::shared_ptr<const SearchSpace> Space() {
  return *NasBench201({.channels = 4, .cells = 1, .classes = 3, .height = 8, .width = 8});
}

const std::string kWeight = "_cells.0.edges.1<-0.3.op.1.weight";

Checkpoint Make(const std::optional<Choice>& own = std::nullopt) {
  const auto space = Space();
  Checkpoint checkpoint;
  checkpoint.space = space->name();
  checkpoint.macro = space->MacroJson();
  if (own) checkpoint.subnet = space->SubnetJson(*own);
  checkpoint.recipe = ToJson(TrainingRecipe{.seed = 9});
  checkpoint.seed = std::numeric_limits<uint64_t>::max();
  checkpoint.epoch = 2;
  checkpoint.batch = 5;
  checkpoint.epochs = {{1.0 / 3, 0.125, 1000, 0.1}, {0.1, 0.5, 1000, 1e-9}, {1e-300, 1, 640, 12345.678}};
  const GraphRequest request = {.mode = Mode::kTraining};
  checkpoint.weights = AllocateWeights(own ? space->Network(*own, request).graph : space->Supernet(request).graph);
  InitializeWeights(checkpoint.weights, 9);
  for (const TensorMap::Entry& e : checkpoint.weights.entries()) {
    if (e.name.ends_with("num_batches_tracked")) e.tensor.as<int64_t>()[0] = 1234567890123;
    if (e.tensor.shape().size() == 4) {
      checkpoint.optimizer.Put("momentum." + e.name, e.tensor.Clone());
      checkpoint.optimizer.Find("momentum." + e.name)->as<float>()[0] = std::numeric_limits<float>::denorm_min();
    }
  }
  return checkpoint;
}

TEST(Checkpoint, GoesThroughAFileUnchanged) {
  TempFolder folder;
  for (const std::optional<Choice>& own : {std::optional<Choice>(), std::optional<Choice>({3, 1, 2, 0, 4, 3})}) {
    const Checkpoint saved = Make(own);
    const std::string path = folder / "checkpoint.safetensors";
    ASSERT_TRUE(SaveCheckpoint(path, saved).ok());
    const auto loaded = LoadCheckpoint(path);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->space, "nasbench201");
    EXPECT_EQ(loaded->macro, saved.macro);
    EXPECT_EQ(loaded->subnet, saved.subnet);
    EXPECT_EQ(loaded->recipe, saved.recipe);
    EXPECT_EQ(loaded->seed, saved.seed);
    EXPECT_EQ(loaded->epoch, 2);
    EXPECT_EQ(loaded->batch, 5);
    ASSERT_EQ(loaded->epochs.size(), 3U);
    for (size_t e = 0; e < 3; ++e) {
      EXPECT_EQ(loaded->epochs[e].loss, saved.epochs[e].loss);
      EXPECT_EQ(loaded->epochs[e].accuracy, saved.epochs[e].accuracy);
      EXPECT_EQ(loaded->epochs[e].images, saved.epochs[e].images);
      EXPECT_EQ(loaded->epochs[e].seconds, saved.epochs[e].seconds);
    }
    EXPECT_TRUE(SameTensors(loaded->weights, saved.weights));
    EXPECT_TRUE(SameTensors(loaded->optimizer, saved.optimizer));
    // The same checkpoint is the same file.
    const std::string bytes = Read(path);
    ASSERT_TRUE(SaveCheckpoint(path, *loaded).ok());
    EXPECT_EQ(Read(path), bytes);
    EXPECT_EQ(folder.entries(), 1);
  }
}

// A file as SaveCheckpoint writes it, with something changed.
struct Contents {
  Metadata metadata;
  TensorMap tensors;
};

Contents Parts(const std::string& path) {
  const auto file = SafetensorsFile::Open(path);
  return {file->metadata(), file->LoadAll()};
}

void Without(TensorMap& tensors, const std::string& name) {
  TensorMap rest;
  for (const TensorMap::Entry& e : tensors.entries()) {
    if (e.name != name) rest.Put(e.name, e.tensor.Clone());
  }
  tensors = std::move(rest);
}

TEST(Checkpoint, HostileOnesAreRefusedByFileAndField) {
  TempFolder folder;
  const std::string good = folder / "good", path = folder / "bad";
  ASSERT_TRUE(SaveCheckpoint(good, Make()).ok());
  const auto metadata = [](const char* key, std::string value) {
    return [key, value](Contents& c) { c.metadata[key] = value; };
  };
  const auto missing = [](const char* key) { return [key](Contents& c) { c.metadata.erase(key); }; };
  const auto progress = [](std::string from, const std::string& to) {
    return [from, to](Contents& c) {
      std::string& text = c.metadata["progress"];
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << text;
      text.replace(at, from.size(), to);
    };
  };
  const auto macro = [](std::string from, const std::string& to) {
    return [from, to](Contents& c) {
      std::string& text = c.metadata["macro"];
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << text;
      text.replace(at, from.size(), to);
    };
  };
  const std::string deep(100000, '[');
  const struct {
    const char* what;
    std::function<void(Contents&)> change;
    std::vector<std::string> fragments;
  } cases[] = {
      {"other format", metadata("format", "mathnas-network/1"), {"format", "mathnas-checkpoint/1"}},
      {"no format", missing("format"), {"format", "mathnas-checkpoint/1"}},
      {"no metadata", [](Contents& c) { c.metadata.clear(); }, {"format"}},
      {"no space", missing("space"), {"\"space\": missing"}},
      {"no macro", missing("macro"), {"\"macro\": missing"}},
      {"no recipe", missing("recipe"), {"\"recipe\": missing"}},
      {"no progress", missing("progress"), {"\"progress\": missing"}},
      {"unknown space", metadata("space", "darts"), {"darts", "nasbench201"}},
      {"macro is no JSON", metadata("macro", "{"), {"macro parameters"}},
      {"macro is deep", metadata("macro", deep), {"macro parameters"}},
      {"macro lacks a field", macro("\"cells\"", "\"sells\""), {"cells", "integer"}},
      {"huge macro", macro("\"channels\":4", "\"channels\":4000000"), {"channels", "4000000"}},
      {"macro beyond 64 bits", macro("\"cells\":1", "\"cells\":18446744073709551615"), {"cells"}},
      {"other macro", macro("\"channels\":4", "\"channels\":8"), {"tensor", "expected"}},
      {"progress is no JSON", metadata("progress", "epoch 3"), {"progress", "JSON object"}},
      {"progress is deep", metadata("progress", deep), {"progress", "JSON object"}},
      {"progress is a list", metadata("progress", "[]"), {"progress", "JSON object"}},
      {"negative epoch", progress("\"epoch\":2", "\"epoch\":-2"), {"progress", "epoch", "at least 0"}},
      {"negative batch", progress("\"batch\":5", "\"batch\":-1"), {"progress", "batch", "at least 0"}},
      {"fractional epoch", progress("\"epoch\":2", "\"epoch\":2.5"), {"progress", "epoch"}},
      {"epoch is text", progress("\"epoch\":2", "\"epoch\":\"2\""), {"progress", "epoch"}},
      {"epoch beyond 63 bits, no records",
       metadata("progress", R"({"epoch":18446744073709551615,"batch":0,"seed":0,"epochs":[]})"),
       {"progress", "epoch"}},
      {"epoch beyond 63 bits", progress("\"epoch\":2", "\"epoch\":18446744073709551615"), {"progress", "epoch"}},
      {"batch beyond 63 bits", progress("\"batch\":5", "\"batch\":9223372036854775808"), {"progress", "batch"}},
      {"no epoch", progress("\"epoch\":2", "\"bpoch\":2"), {"progress", "epoch"}},
      {"negative seed", progress("\"seed\":18446744073709551615", "\"seed\":-1"), {"progress", "seed"}},
      {"no seed", progress("\"seed\"", "\"seek\""), {"progress", "seed"}},
      {"loss scale is no list", progress("\"seed\":", "\"loss_scale\":8,\"seed\":"), {"progress", "loss_scale"}},
      {"loss scale of 0", progress("\"seed\":", "\"loss_scale\":[0,3],\"seed\":"), {"loss_scale", "above 0"}},
      {"huge loss scale", progress("\"seed\":", "\"loss_scale\":[1e30,3],\"seed\":"), {"loss_scale", "16777216"}},
      {"updates below 0", progress("\"seed\":", "\"loss_scale\":[8,-1],\"seed\":"), {"loss_scale", "0 to 1999"}},
      {"epochs of a later run",
       progress("\"epoch\":2", "\"epoch\":9"),
       {"progress", "epochs", "3 entries for epoch 9"}},
      {"epochs of an earlier run",
       progress("\"epoch\":2", "\"epoch\":1"),
       {"progress", "epochs", "3 entries for epoch 1"}},
      {"epochs are no list", progress("\"epochs\":[", "\"epochs\":3,\"x\":["), {"progress", "epochs", "list"}},
      {"short record", progress("[0.1,0.5,1000,", "[0.1,0.5,"), {"progress", "epochs"}},
      {"record of texts", progress("[0.1,", "[\"0.1\","), {"progress", "epochs"}},
      {"missing tensor", [](Contents& c) { Without(c.tensors, kWeight); }, {kWeight, "missing"}},
      {"missing vector", [](Contents& c) { Without(c.tensors, "classifier.bias"); }, {"classifier.bias", "missing"}},
      {"missing statistic",
       [](Contents& c) { Without(c.tensors, "_stem.1.running_var"); },
       {"_stem.1.running_var", "missing"}},
      {"other shape",
       [](Contents& c) {
         c.tensors.Put(kWeight, Tensor(DType::kF32, {4, 4, 1, 1}));
       },
       {kWeight, "4x4x1x1", "4x4x3x3"}},
      {"other type",
       [](Contents& c) {
         c.tensors.Put(kWeight, Tensor(DType::kF64, {4, 4, 3, 3}));
       },
       {kWeight, "F64", "F32"}},
      {"counter of another type",
       [](Contents& c) { c.tensors.Put("_stem.1.num_batches_tracked", Tensor(DType::kF32, kernels::Shape())); },
       {"_stem.1.num_batches_tracked", "F32", "I64"}},
      {"counter that is a vector",
       [](Contents& c) { c.tensors.Put("_stem.1.num_batches_tracked", Tensor(DType::kI64, {0})); },
       {"_stem.1.num_batches_tracked"}},
      {"momentum of another shape",
       [](Contents& c) {
         c.tensors.Put("momentum." + kWeight, Tensor(DType::kF32, {4, 4, 3}));
       },
       {"momentum." + kWeight, "4x4x3"}},
      {"momentum of another type",
       [](Contents& c) {
         c.tensors.Put("momentum." + kWeight, Tensor(DType::kF64, {4, 4, 3, 3}));
       },
       {"momentum." + kWeight}},
      {"momentum of nothing",
       [](Contents& c) { c.tensors.Put("momentum.nobody", Tensor(DType::kF32, {4})); },
       {"momentum.nobody"}},
      {"subnet that is none", metadata("subnet", "{\"arch\":\"|none~0|\"}"), {"edge 2<-0"}},
      {"subnet that is no JSON", metadata("subnet", "?"), {"subnet"}},
      {"subnet of another network", metadata("subnet", "[3,3,3,3,3,3]"), {"\"stem.0.weight\"", "missing"}}};
  for (const auto& [what, change, fragments] : cases) {
    SCOPED_TRACE(what);
    Contents contents = Parts(good);
    change(contents);
    ASSERT_TRUE(WriteSafetensors(path, contents.tensors, contents.metadata).ok());
    const auto loaded = LoadCheckpoint(path);
    EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument) << loaded.status();
    EXPECT_NE(kernels::Message(loaded.status()).find(path), std::string::npos) << kernels::Message(loaded.status());
    for (const std::string& f : fragments) {
      EXPECT_NE(kernels::Message(loaded.status()).find(f), std::string::npos)
          << "\"" << f << "\" in: " << kernels::Message(loaded.status());
    }
    EXPECT_LT(kernels::Message(loaded.status()).size(), 2000U);
  }
  // Of a version to come.
  Contents newer = Parts(good);
  newer.metadata["format"] = "mathnas-checkpoint/2";
  ASSERT_TRUE(WriteSafetensors(path, newer.tensors, newer.metadata).ok());
  const auto loaded = LoadCheckpoint(path);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kUnimplemented) << loaded.status();
  EXPECT_EQ(kernels::Message(loaded.status()),
            path +
                ": format: found \"mathnas-checkpoint/2\", but this version of the library reads "
                "\"mathnas-checkpoint/1\"");
}

// Wherever a file ends too early, it is refused.
TEST(Checkpoint, TruncatedOnesAreRefused) {
  TempFolder folder;
  const std::string good = folder / "good", path = folder / "short";
  ASSERT_TRUE(SaveCheckpoint(good, Make(Choice{3, 1, 2, 0, 4, 3})).ok());
  const std::string bytes = Read(good);
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 997) {
    Write(path, std::string_view(bytes).substr(0, size));
    const auto loaded = LoadCheckpoint(path);
    ASSERT_FALSE(loaded.ok()) << size;
    ASSERT_NE(kernels::Message(loaded.status()).find(path), std::string::npos) << kernels::Message(loaded.status());
  }
  Write(path, std::string_view(bytes).substr(0, bytes.size() - 1));
  EXPECT_FALSE(LoadCheckpoint(path).ok());
  Write(path, bytes);
  EXPECT_TRUE(LoadCheckpoint(path).ok());
  EXPECT_EQ(LoadCheckpoint(folder / "nothing").status().code(), absl::StatusCode::kNotFound);
}

TEST(Checkpoint, FullDiskKeepsTheLastOne) {
  TempFolder folder;
  const std::string path = folder / "checkpoint";
  Checkpoint checkpoint = Make();
  ASSERT_TRUE(SaveCheckpoint(path, checkpoint).ok());
  const std::string before = Read(path);
  checkpoint.batch = 6;
  for (const size_t limit : {size_t{0}, size_t{4096}, before.size() - 1}) {
    absl::Status status;
    {
      FileSizeLimit full(limit);
      status = SaveCheckpoint(path, checkpoint);
    }
    EXPECT_FALSE(status.ok()) << limit;
    EXPECT_NE(kernels::Message(status).find(path), std::string::npos) << status;
    EXPECT_EQ(Read(path), before);
    EXPECT_EQ(folder.entries(), 1) << "a temporary file is left";
  }
  ASSERT_TRUE(SaveCheckpoint(path, checkpoint).ok());
  EXPECT_EQ(LoadCheckpoint(path)->batch, 6);
}

}  // namespace
}  // namespace mathnas::supernet
