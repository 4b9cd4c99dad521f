// Graphs made by hand as ONNX files: each operator against the reference device, names and axes, and what is refused.
#include "bindings/onnx/export.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "bindings/onnx/networks.h"
#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"
#include "supernet/weights.h"
#include "tests/bindings/onnx/interpreter.h"
#include "tests/bindings/process.h"

namespace mathnas::onnx {
namespace {

using cli::TemporaryFolder;
using kernels::Graph;
using kernels::Shape;
using kernels::Tensor;
using kernels::TensorMap;
using kernels::Value;
using kernels::ValueKind;
using testing::Array;

// The file computes in double, the reference accumulates in double and stores float32.
constexpr double kTolerance = 1e-5;

class OnnxExport : public ::testing::Test {
 protected:
  Value Input(const std::string& name, Shape shape) { return g_.Input(name, std::move(shape)); }
  Value Parameter(const std::string& name, Shape shape, double low = -1, double high = 1) {
    Tensor tensor(kernels::DType::kF32, shape);
    for (float& v : tensor.as<float>()) v = static_cast<float>(low + (high - low) * random_.Uniform());
    weights_.Put(name, std::move(tensor));
    return g_.Parameter(name, std::move(shape));
  }
  Value Apply(kernels::Operator op, const kernels::Values& inputs) { return g_.Apply(op, inputs)[0]; }

  absl::StatusOr<Exported> Export(const std::vector<kernels::PlanOutput>& outputs, const GraphOptions& options = {}) {
    return ExportGraph(Path(), g_, outputs, weights_, options);
  }
  std::string Path() const { return folder_ / "graph.onnx"; }

  // Exports what computes `y`, runs both on values that are drawn (ids below `words`), and compares. Returns the file.
  testing::File Check(Value y, int64_t words = 4) {
    EXPECT_TRUE(g_.status().ok()) << g_.status();
    const auto exported = Export({{"y", y}});
    EXPECT_TRUE(exported.ok()) << exported.status();
    const auto device = kernels::ReferenceDevice(kernels::DType::kF32);
    auto plan = kernels::Plan::Create(g_, {{"y", y}}, *device);
    EXPECT_TRUE(plan.ok()) << plan.status();
    auto context = kernels::Context::Create(*plan, {&weights_});
    EXPECT_TRUE(context.ok()) << context.status();
    std::map<std::string, Array> inputs;
    for (Value v : g_.Leaves(ValueKind::kInput)) {
      const kernels::TensorView view = *(*context)->Input(g_.info(v).name);
      Array& array = inputs[g_.info(v).name];
      array.shape.assign(view.desc.shape.begin(), view.desc.shape.end());
      if (view.desc.dtype == kernels::DType::kI64) {
        array.type = testing::kInt64;
        for (int64_t& id : view.as<int64_t>()) array.integer.push_back(id = static_cast<int64_t>(random_.Below(words)));
      } else {
        for (float& x : view.as<float>()) array.real.push_back(x = static_cast<float>(random_.Normal()));
        if (view.desc.shape.size() == 4) ToChannelsFirst(array);
      }
    }
    EXPECT_TRUE((*context)->Run().ok());
    const kernels::TensorView view = *(*context)->Output("y");
    Array expected = {testing::kFloat, {view.desc.shape.begin(), view.desc.shape.end()}};
    expected.real.assign(view.as<float>().begin(), view.as<float>().end());
    if (expected.shape.size() == 4) ToChannelsFirst(expected);
    const testing::File file = testing::ReadOnnx(Path());
    const Array found = testing::Run(file, inputs).at("y");
    EXPECT_EQ(found.shape, expected.shape);
    double largest = 0;
    for (double x : expected.real) largest = std::max(largest, std::abs(x));
    for (size_t i = 0; i < expected.real.size(); ++i) {
      EXPECT_NEAR(found.real.at(i), expected.real[i], kTolerance * largest) << i;
    }
    return file;
  }

  void ExpectRefused(const absl::StatusOr<Exported>& exported, absl::StatusCode code, const std::string& what) {
    EXPECT_EQ(exported.status().code(), code) << exported.status();
    EXPECT_EQ(std::string(exported.status().message()).find(Path() + ": "), 0U) << exported.status();
    EXPECT_NE(std::string(exported.status().message()).find(what), std::string::npos) << exported.status();
    EXPECT_FALSE(std::filesystem::exists(Path()));
  }

  Graph g_;
  TensorMap weights_;
  kernels::Random random_{1};
  TemporaryFolder folder_;

 private:
  // {N,H,W,C} as {N,C,H,W}.
  static void ToChannelsFirst(Array& a) {
    const std::vector<int64_t> s = a.shape;
    std::vector<double> to(a.real.size());
    for (int64_t n = 0; n < s[0]; ++n) {
      for (int64_t p = 0; p < s[1] * s[2]; ++p) {
        for (int64_t c = 0; c < s[3]; ++c) {
          to[static_cast<size_t>((n * s[3] + c) * s[1] * s[2] + p)] =
              a.real[static_cast<size_t>((n * s[1] * s[2] + p) * s[3] + c)];
        }
      }
    }
    a = {a.type, {s[0], s[3], s[1], s[2]}, std::move(to), {}};
  }
};

TEST_F(OnnxExport, ConvolutionsOfAllKinds) {
  const Value x = Input("x", {2, 7, 6, 4});
  Value y = Apply(
      kernels::Conv2d{
          .stride = 2, .padding = 1, .groups = 2, .has_bias = true, .activation = kernels::Activation::kSwish},
      {x, Parameter("a", {6, 2, 3, 3}), Parameter("a.bias", {6})});
  y = Apply(kernels::Conv2d{.has_addend = true, .activation = kernels::Activation::kHardSwish},
            {y, Parameter("b", {6, 6, 1, 1}), y});
  y = Apply(kernels::ExpandDepthwise{.stride = 1,
                                     .padding = 2,
                                     .expand_activation = kernels::Activation::kHardSwish,
                                     .activation = kernels::Activation::kRelu},
            {y, Parameter("c", {5, 6, 1, 1}), Parameter("c.bias", {5}), Parameter("d", {5, 1, 5, 5}),
             Parameter("d.bias", {5})});
  Check(Apply(kernels::HardSigmoid{}, {y}));
}

TEST_F(OnnxExport, PoolsAndSums) {
  const Value x = Input("x", {2, 5, 5, 3});
  const Value a = Apply(kernels::AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {x});
  const Value b = Apply(kernels::AvgPool2d{.kernel = 3, .stride = 1, .padding = 1, .include_padding = true}, {x});
  const Value c = Apply(kernels::Scale{-0.75}, {x});
  Check(Apply(kernels::AvgPool2d{.kernel = 2, .stride = 2}, {Apply(kernels::Add{}, {a, b, c, x})}));
}

TEST_F(OnnxExport, PooledValuesAndWhatBecomesOfThem) {
  const Value x = Input("x", {2, 5, 4, 3});
  const Value mean = Apply(kernels::GlobalAvgPool{}, {x});
  const Value squeezed = Apply(
      kernels::Swish{}, {Apply(kernels::Linear{}, {mean, Parameter("a", {3, 3, 1, 1}), Parameter("a.bias", {3})})});
  const Value scaled = Apply(kernels::ScaleChannels{}, {x, squeezed});
  const Value again = Apply(kernels::GlobalAvgPool{}, {scaled});
  // Read as a row, and by a convolution's weights though it is one.
  const Value row = Apply(kernels::Linear{.has_bias = false}, {again, Parameter("b", {6, 3})});
  const Value y = Apply(kernels::Linear{.has_bias = false}, {row, Parameter("c", {4, 6, 1, 1})});
  Check(Apply(kernels::Concat{.axis = 1}, {y, mean, Apply(kernels::Part{1, 2, 3}, {row})}));
}

TEST_F(OnnxExport, Normalisations) {
  const Value x = Input("x", {2, 3, 4, 5});
  Value y = Apply(kernels::BatchNormInference{.epsilon = 1e-3, .affine = false, .relu = true},
                  {x, Parameter("mean", {5}), Parameter("variance", {5}, 0.5, 1.5)});
  y = Apply(kernels::LayerNorm{.epsilon = 1e-4, .axes = 3}, {y, Parameter("gamma", {5}), Parameter("beta", {5})});
  y = Apply(kernels::LayerScale{.row = 2, .factor = 3}, {y, Parameter("table", {2, 3, 7})});
  y = Apply(kernels::Linear{}, {y, Parameter("w", {4, 5}), Parameter("w.bias", {4})});
  Check(y);
}

TEST_F(OnnxExport, NormalisationsOfRows) {
  const Value x = Input("x", {3, 6});
  Value y = Apply(kernels::BatchNormInference{}, {x, Parameter("gamma", {6}), Parameter("beta", {6}),
                                                  Parameter("mean", {6}), Parameter("variance", {6}, 0.5, 1.5)});
  y = Apply(kernels::LayerScale{.row = 1, .factor = 0.5}, {y, Parameter("table", {2, 6})});
  Check(Apply(kernels::LayerNorm{}, {y, Parameter("a", {6}), Parameter("b", {6})}));
}

TEST_F(OnnxExport, PartsOfImagesAndOfWeights) {
  const Value x = Input("x", {2, 4, 5, 6});
  const Value a = Apply(kernels::Part{.axis = 1, .begin = 1, .count = 2}, {x});
  const Value b = Apply(kernels::Part{.axis = 2, .begin = 0, .count = 5}, {Apply(kernels::Concat{.axis = 1}, {a, a})});
  const Value c = Apply(kernels::Concat{.axis = 3}, {b, Apply(kernels::Resize{4, 5}, {a})});
  const Value weight = Apply(kernels::Slice{.begin = 1, .rows = 3, .columns = 12}, {Parameter("w", {5, 14})});
  Check(Apply(kernels::Linear{}, {c, weight, Apply(kernels::Slice{2, 3, 0}, {Parameter("w.bias", {6})})}));
}

TEST_F(OnnxExport, ResizedBothWays) {
  const Value x = Input("x", {1, 6, 5, 2});
  Check(Apply(kernels::Resize{4, 11}, {x}));
}

TEST_F(OnnxExport, Tokens) {
  const Value tokens = g_.Integers("tokens", {3, 5});
  const Value words = Apply(kernels::Embedding{.scale = 2.5}, {tokens, Parameter("words", {4, 6})});
  const kernels::SinusoidalPositions counted = {.columns = 6, .width = 8, .rows = 9, .padding = 1, .from_tokens = true};
  kernels::SinusoidalPositions given = counted;
  given.from_tokens = false;
  Check(Apply(kernels::Add{}, {words, Apply(counted, {tokens}), Apply(given, {tokens})}));
}

// Of ids below 2, every second key is one of padding; rows where all are have outcome 0.
TEST_F(OnnxExport, AttentionWithItsMasks) {
  const Value q = Input("q", {6, 3, 8}), k = Input("k", {6, 4, 8}), v = Input("v", {6, 4, 6});
  const Value ids = g_.Integers("ids", {6, 2});
  const Value padded = Apply(kernels::Attention{.heads = 2, .masked = true, .padding = 1}, {q, k, v, ids});
  const Value causal = Apply(kernels::Attention{.heads = 2, .causal = true}, {q, k, v});
  const Value both =
      Apply(kernels::Attention{.heads = 2, .causal = true, .masked = true, .padding = 1}, {q, k, v, ids});
  // More queries than keys: the first ones see none.
  const Value few = Apply(kernels::Attention{.heads = 2, .causal = true}, {k, q, Input("w", {6, 3, 6})});
  Check(Apply(kernels::Concat{.axis = 1}, {padded, causal, both, few}), 2);
}

TEST_F(OnnxExport, RowsOfQueriesThatShareKeys) {
  const Value q = Input("q", {6, 2, 8}), k = Input("k", {2, 4, 8}), v = Input("v", {2, 4, 4});
  Check(Apply(kernels::Attention{.heads = 4, .masked = true, .padding = 1}, {q, k, v, g_.Integers("ids", {2, 4})}), 3);
}

TEST_F(OnnxExport, TalkingHeads) {
  const Value q = Input("q", {2, 3, 2, 8}), k = Input("k", {2, 3, 2, 8}), v = Input("v", {2, 3, 2, 12});
  Check(Apply(kernels::TalkingHeads{.window = 4},
              {q, k, v, Parameter("table", {49, 4}), Parameter("before", {4, 4}), Parameter("before.bias", {4}),
               Parameter("after", {4, 4}), Parameter("after.bias", {4})}));
}

// What reads a state after it was written to has what was written, what reads it before has not.
TEST_F(OnnxExport, StatesAreInputsAndOutputs) {
  const Value state = g_.State("kept", {2, 4, 3}), x = Input("x", {2, 1, 3}), at = g_.Integers("at", {1});
  const Value before = Apply(kernels::Scale{10}, {state});
  g_.Apply(kernels::Store{}, {state, x, at});
  const Value after = Apply(kernels::Scale{100}, {state});
  const Value sum = Apply(kernels::Add{}, {before, after});
  ASSERT_TRUE(g_.status().ok()) << g_.status();
  const auto exported = Export({{"sum", sum}}, {.axes = {{"kept", {"rows", "capacity", ""}}}, .metadata = {}});
  ASSERT_TRUE(exported.ok()) << exported.status();
  Array kept = {testing::kFloat, {2, 4, 3}}, added = {testing::kFloat, {2, 1, 3}};
  for (int i = 0; i < 24; ++i) kept.real.push_back(i);
  for (int i = 0; i < 6; ++i) added.real.push_back(-i);
  const auto outputs =
      testing::Run(testing::ReadOnnx(Path()), {{"kept", kept}, {"x", added}, {"at", {testing::kInt64, {1}, {}, {2}}}});
  for (int r = 0; r < 2; ++r) {
    for (int t = 0; t < 4; ++t) {
      for (int c = 0; c < 3; ++c) {
        const size_t i = static_cast<size_t>((r * 4 + t) * 3 + c);
        const double next = t == 2 ? added.real[static_cast<size_t>(r * 3 + c)] : kept.real[i];
        EXPECT_EQ(outputs.at("kept.next").real[i], next);
        EXPECT_EQ(outputs.at("sum").real[i], 10 * kept.real[i] + 100 * next);
      }
    }
  }
}

// A cell of nothing: its zeros have as many images as the input, whatever the file was made with.
TEST_F(OnnxExport, ZerosOfAnyBatch) {
  const auto space = *supernet::NasBench201({.channels = 4, .cells = 1, .classes = 3, .height = 8, .width = 8});
  for (const char* cell : {"[0,0,0,0,0,0]", "[3,0,0,1,0,2]"}) {
    SCOPED_TRACE(cell);
    const supernet::Choice choice = *space->ParseSubnet(cell);
    TensorMap own = supernet::AllocateWeights(space->Network(choice, {}).graph);
    supernet::FillSynthetic(own);
    for (const BatchNorm batch_norm : {BatchNorm::kFolded, BatchNorm::kKept}) {
      ASSERT_TRUE(ExportImageNetwork(Path(), *space, choice, own, {.batch_norm = batch_norm, .metadata = {}}).ok());
      const testing::File file = testing::ReadOnnx(Path());
      Array images = {testing::kFloat, {3, 3, 8, 8}};
      for (int i = 0; i < 3 * 3 * 64; ++i) images.real.push_back(random_.Normal());
      const Array three = testing::Run(file, {{"image", images}}).at("logits");
      ASSERT_EQ(three.shape, (std::vector<int64_t>{3, 3}));
      images.shape[0] = 1;
      images.real.resize(3 * 64);
      const Array one = testing::Run(file, {{"image", images}}).at("logits");
      for (size_t i = 0; i < 3; ++i) EXPECT_DOUBLE_EQ(one.real[i], three.real[i]);
    }
  }
  // A batch that is fixed is in the file.
  const supernet::Choice choice = *space->ParseSubnet("[1,1,1,1,1,1]");
  TensorMap own = supernet::AllocateWeights(space->Network(choice, {}).graph);
  const auto fixed = ExportImageNetwork(Path(), *space, choice, own, {.batch = 5, .metadata = {}});
  ASSERT_TRUE(fixed.ok()) << fixed.status();
  EXPECT_EQ(testing::ReadOnnx(Path()).outputs.at(0).shape, (std::vector<std::string>{"5", "3"}));
}

// Names of people's choosing, also those that nodes of the file would have.
TEST_F(OnnxExport, NamesAreKept) {
  const std::string odd = "grün \"w\"\\\n\t{}/%s", taken = "b/Conv";
  g_.SetBlock("b");
  const Value x = Input("x/ 1", {1, 2, 2, 2});
  Value y = Apply(kernels::Conv2d{}, {x, Parameter(odd, {2, 2, 1, 1})});
  y = Apply(kernels::Conv2d{}, {y, Parameter(taken, {2, 2, 1, 1})});
  g_.SetName(y, "activation");
  const Value z = Apply(kernels::Relu{}, {y});
  // One value as two outputs, and an input as one.
  ASSERT_TRUE(Export({{"z", z}, {"z again", z}, {"x again", x}, {"y", y}}).ok());
  const testing::File file = testing::ReadOnnx(Path());
  EXPECT_TRUE(file.initializers.contains(odd));
  EXPECT_TRUE(file.initializers.contains(taken));
  Array image = {testing::kFloat, {1, 2, 2, 2}, {1, -2, 3, 4, 5, 6, -7, 8}, {}};
  const auto outputs = testing::Run(file, {{"x/ 1", image}});
  EXPECT_EQ(outputs.at("z").real, outputs.at("z again").real);
  EXPECT_EQ(outputs.at("x again").real, image.real);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(outputs.at("z").real[i], std::max(0.0, outputs.at("y").real[i]));
}

TEST_F(OnnxExport, RefusesOperatorsForTraining) {
  const Value x = Input("x", {1, 4, 4, 3});
  g_.SetBlock("stem");
  const Value y = g_.Apply(kernels::BatchNormTraining{.affine = false, .track = false}, {x})[0];
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kUnimplemented,
                "batch_norm_training, node 0 of block \"stem\": has no counterpart in ONNX");
  // Nobody needs it then.
  EXPECT_TRUE(Export({{"z", Apply(kernels::Relu{}, {x})}}).ok());
}

TEST_F(OnnxExport, RefusesShapesWithoutACounterpart) {
  const Value rows = Input("rows", {2, 3, 4});
  const Value norm = Apply(kernels::BatchNormInference{.affine = false},
                           {rows, Parameter("mean", {4}), Parameter("variance", {4}, 0.5, 1)});
  ExpectRefused(Export({{"y", norm}}), absl::StatusCode::kUnimplemented, "for an input 2x3x4");
  const Value layers = Apply(kernels::LayerNorm{.axes = 2}, {rows, Parameter("a", {4}), Parameter("b", {4})});
  ExpectRefused(Export({{"y", layers}}), absl::StatusCode::kUnimplemented, "layer_norm");
  const auto attention = g_.Apply(kernels::Attention{}, {rows, rows, rows});
  ExpectRefused(Export({{"y", attention[1]}}), absl::StatusCode::kUnimplemented, "output of attention");
}

// All pairs of pixels would be a matrix that no file holds; natively they are not stored.
TEST_F(OnnxExport, RefusesAttentionOverTooManyPixels) {
  const Value x = Input("x", {1, 256, 256, 8});
  const Value y = Apply(kernels::TalkingHeads{.window = 256},
                        {x, x, x, Parameter("table", {511 * 511, 1}), Parameter("a", {1, 1}), Parameter("a.bias", {1}),
                         Parameter("b", {1, 1}), Parameter("b.bias", {1})});
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kUnimplemented, "65536 pixels, expected at most 16384");
}

TEST_F(OnnxExport, RefusesWeightsThatAreMissingOrOthers) {
  const Value x = Input("x", {1, 2, 2, 2});
  const Value y = Apply(kernels::Conv2d{}, {x, g_.Parameter("w", {2, 2, 1, 1})});
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kNotFound, "tensor \"w\": missing");
  weights_.Put("w", Tensor(kernels::DType::kF32, {2, 2, 3, 1}));
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kInvalidArgument,
                "tensor \"w\" is F32 2x2x3x1, expected F32 2x2x1x1");
  weights_.Put("w", Tensor(kernels::DType::kF64, {2, 2, 1, 1}));
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kInvalidArgument, "is F64");
}

TEST_F(OnnxExport, RefusesNamesAndAxes) {
  const Value x = Input("x", {1, 2, 2, 2}), y = Apply(kernels::Relu{}, {x});
  ExpectRefused(Export({{"", y}}), absl::StatusCode::kInvalidArgument, "an empty name");
  ExpectRefused(Export({{"x", y}}), absl::StatusCode::kInvalidArgument, "output \"x\": the name is taken");
  ExpectRefused(Export({{"y", y}, {"y", y}}), absl::StatusCode::kInvalidArgument, "output \"y\": the name is taken");
  ExpectRefused(Export({{"\xff", y}}), absl::StatusCode::kInvalidArgument, "is not UTF-8");
  ExpectRefused(Export({{"y", Value{77}}}), absl::StatusCode::kInvalidArgument, "not a value of the graph");
  ExpectRefused(Export({{"y", y}}, {.axes = {{"z", {"a"}}}, .metadata = {}}), absl::StatusCode::kInvalidArgument,
                "axes: no input or output is called \"z\"");
  ExpectRefused(Export({{"y", y}}, {.axes = {{"y", {"a"}}}, .metadata = {}}), absl::StatusCode::kInvalidArgument,
                "axes of \"y\": 1 names, expected 4");
  ExpectRefused(Export({{"y", y}}, {.axes = {}, .metadata = {{"k", "\xff"}}}), absl::StatusCode::kInvalidArgument,
                "metadata \"k\" is not UTF-8");
  ExpectRefused(Export({{"y", y}}, {.axes = {{"y", {"\xff", "", "", ""}}}, .metadata = {}}),
                absl::StatusCode::kInvalidArgument, "axes of \"y\": a name that is not UTF-8");
  Graph in_double(kernels::DType::kF64);
  const Value d = in_double.Input("x", {1, 2});
  ExpectRefused(ExportGraph(Path(), in_double, {{{"y", d}}}, weights_), absl::StatusCode::kInvalidArgument,
                "the graph is F64, expected F32");
}

TEST_F(OnnxExport, FilesThatCannotBeWritten) {
  const Value y = Apply(kernels::Relu{}, {Input("x", {1, 2})});
  for (const std::string& path : {folder_ / "none/graph.onnx", folder_.path(), std::string("/proc/graph.onnx")}) {
    const auto exported = ExportGraph(path, g_, {{{"y", y}}}, weights_);
    EXPECT_FALSE(exported.ok());
    EXPECT_EQ(std::string(exported.status().message()).find(path), 0U) << exported.status();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

// The tensor is address space that nobody reads.
TEST_F(OnnxExport, FilesThatAreTooLarge) {
  const Value y =
      Apply(kernels::Linear{.has_bias = false}, {Input("x", {1, 32768}), g_.Parameter("w", {16384, 32768})});
  constexpr size_t kBytes = size_t{1} << 31;
  void* memory = mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  weights_.Put("w", Tensor::Borrow({{kernels::DType::kF32, {16384, 32768}}, memory}, nullptr));
  ExpectRefused(Export({{"y", y}}), absl::StatusCode::kResourceExhausted, "expected at most 2147483647");
  munmap(memory, kBytes);
}

TEST_F(OnnxExport, NetworksAndTranslatorsThatAreNone) {
  const auto space = *supernet::NasBench201({.channels = 4, .cells = 1});
  EXPECT_FALSE(ExportImageNetwork(Path(), *space, {0, 0}, weights_, {}).ok());
  const supernet::Choice choice = *space->ParseSubnet("[1,1,1,1,1,1]");
  const auto message = [&](const absl::Status& status) { return std::string(kernels::Message(status)); };
  EXPECT_NE(message(ExportImageNetwork(Path(), *space, choice, weights_, {}).status()).find("missing"),
            std::string::npos);
  EXPECT_NE(message(ExportImageNetwork(Path(), *space, choice, weights_, {.batch = -1, .metadata = {}}).status())
                .find("batch -1: expected 1 to"),
            std::string::npos);
  EXPECT_NE(message(ExportImageNetwork(Path(), *space, choice, weights_, {.image_size = 48, .metadata = {}}).status())
                .find("image size 48: networks of nasbench201 do not resize, expected 32"),
            std::string::npos);
  EXPECT_NE(message(ExportTranslator(Path(), {}, {0}, weights_, {}).status()).find("expected"), std::string::npos);
  const auto translator = *supernet::SuperTransformer({});
  EXPECT_NE(message(ExportTranslator(Path(), {}, translator->base(), weights_, {.beams = 0, .metadata = {}}).status())
                .find("beams 0: expected 1 to"),
            std::string::npos);
  EXPECT_NE(message(ExportTranslator(Path(), {}, translator->base(), weights_, {}).status()).find("missing"),
            std::string::npos);
  EXPECT_FALSE(ExportImageNetwork(Path(), *translator, translator->base(), weights_, {}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace mathnas::onnx
