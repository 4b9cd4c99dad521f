// operator_test LIBRARY FILES: the operator in a host of ours (host.h), against what tests/bindings/c/make_files
// computed in double.
#include <dlfcn.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bindings/onnxruntime/host.h"

namespace mathnas::onnxruntime::testing {
namespace {

std::string library, folder;

using Attributes = std::map<std::string, std::variant<std::string, int64_t, float>>;

template <typename T>
std::vector<T> Read(const std::string& name) {
  std::ifstream file(folder + "/" + name, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_FALSE(bytes.empty()) << name;
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

constexpr int64_t kSide = 8, kChannels = 3, kClasses = 10, kPixels = kSide * kSide * kChannels;

// {N,8,8,3} as {N,3,8,8}.
OrtValue ChannelsFirst(const std::vector<float>& images) {
  const int64_t count = std::ssize(images) / kPixels;
  std::vector<float> turned(images.size());
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t c = 0; c < kChannels; ++c) {
      for (int64_t p = 0; p < kSide * kSide; ++p) {
        turned[static_cast<size_t>((n * kChannels + c) * kSide * kSide + p)] =
            images[static_cast<size_t>((n * kSide * kSide + p) * kChannels + c)];
      }
    }
  }
  return {{count, kChannels, kSide, kSide}, std::move(turned)};
}

// Sums of some hundred values near 1 in float.
bool Close(const std::vector<float>& a, const float* b, size_t count) {
  if (a.size() != count) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!(std::abs(a[i] - b[i]) <= 1e-4f * (1 + std::abs(b[i])))) return false;
  }
  return true;
}

// "" if there was no error.
std::string Text(OrtStatus* status) {
  if (status == nullptr) return "";
  std::string text = status->text;
  --statuses;
  delete status;
  return text;
}

class Operator : public ::testing::Test {
 protected:
  using Register = OrtStatus* (*)(OrtSessionOptions*, const OrtApiBase*);

  void SetUp() override {
    newest_version = 99;
    fail_outputs = false;
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(handle, nullptr) << dlerror();
    register_ = reinterpret_cast<Register>(dlsym(handle, "RegisterCustomOps"));
    ASSERT_NE(register_, nullptr);
    OrtSessionOptions options;
    ASSERT_EQ(Text(register_(&options, Host())), "");
    ASSERT_EQ(options.domains.size(), 1u);
    EXPECT_EQ(options.domains[0]->name, "mathnas");
    op_ = options.domains[0]->op;
    ASSERT_NE(op_, nullptr);
  }
  // Nothing of the host's is left.
  void TearDown() override {
    EXPECT_EQ(statuses, 0);
    EXPECT_EQ(infos, 0);
  }

  // Null, and `error` what was said.
  void* Open(const Attributes& attributes, std::string* error = nullptr) const {
    const OrtKernelInfo info{attributes};
    void* kernel = nullptr;
    const std::string text =
        Text(op_->CreateKernelV2(op_, reinterpret_cast<const OrtApi*>(Table().data()), &info, &kernel));
    if (error != nullptr) {
      *error = text;
    } else {
      EXPECT_EQ(text, "");
    }
    EXPECT_EQ(kernel == nullptr, !text.empty());
    return kernel;
  }
  void Close(void* kernel) const { op_->KernelDestroy(kernel); }

  struct Answer {
    std::string error;
    std::vector<float> logits;
    std::vector<int64_t> shape, choice;
  };
  Answer Run(void* kernel, const OrtValue& image, std::optional<std::vector<std::string>> budget = {}) const {
    OrtKernelContext context;
    context.inputs = {image};
    if (budget) {
      const auto count = std::ssize(*budget);
      context.inputs.push_back(OrtValue{{count}, *std::move(budget)});
    }
    context.outputs = {OrtValue{{}, std::vector<float>()}, OrtValue{{}, std::vector<int64_t>()}};
    Answer answer;
    answer.error = Text(op_->KernelComputeV2(kernel, &context));
    if (!answer.error.empty()) return answer;
    answer.logits = std::get<std::vector<float>>(context.outputs[0]->data);
    answer.shape = context.outputs[0]->shape;
    answer.choice = std::get<std::vector<int64_t>>(context.outputs[1]->data);
    return answer;
  }
  std::string RefusedWith(const Attributes& attributes) const {
    std::string error;
    void* const kernel = Open(attributes, &error);
    if (kernel != nullptr) Close(kernel);
    return error;
  }

  static Attributes Server() {
    return {{"file", folder + "/supernet.safetensors"},
            {"table", folder + "/server_table.json"},
            {"estimator", "linear"},
            {"statistics", folder + "/server_known.safetensors"}};
  }

  Register register_ = nullptr;
  const OrtCustomOp* op_ = nullptr;
};

TEST_F(Operator, SaysWhatItIs) {
  EXPECT_EQ(op_->version, 16u);
  EXPECT_STREQ(op_->GetName(op_), "Network");
  EXPECT_EQ(op_->GetExecutionProviderType(op_), nullptr);
  ASSERT_EQ(op_->GetInputTypeCount(op_), 2u);
  ASSERT_EQ(op_->GetOutputTypeCount(op_), 2u);
  EXPECT_EQ(op_->GetInputType(op_, 0), kFloat);
  EXPECT_EQ(op_->GetInputType(op_, 1), kString);
  EXPECT_EQ(op_->GetInputCharacteristic(op_, 0), kRequired);
  EXPECT_EQ(op_->GetInputCharacteristic(op_, 1), kOptional);
  EXPECT_EQ(op_->GetOutputType(op_, 0), kFloat);
  EXPECT_EQ(op_->GetOutputType(op_, 1), kInt64);
  EXPECT_EQ(op_->GetOutputCharacteristic(op_, 1), kOptional);
}

TEST_F(Operator, TellsARuntimeThatIsTooOld) {
  newest_version = 15;
  OrtSessionOptions options;
  const std::string text = Text(register_(&options, Host()));
  EXPECT_NE(text.find("onnxruntime 0.0.0, expected 1.16 or newer"), std::string::npos) << text;
  EXPECT_TRUE(options.domains.empty());
}

TEST_F(Operator, RunsANetwork) {
  void* const kernel = Open({{"file", folder + "/network.mathnas"}});
  ASSERT_NE(kernel, nullptr);
  const auto images = Read<float>("values.f32"), logits = Read<float>("logits.f32");
  for (int64_t count : {5, 1, 3, 5, 2, 0}) {
    const auto part = std::vector<float>(images.begin(), images.begin() + count * kPixels);
    const Answer answer = Run(kernel, ChannelsFirst(part));
    EXPECT_EQ(answer.error, "");
    EXPECT_EQ(answer.shape, (std::vector<int64_t>{count, kClasses}));
    EXPECT_TRUE(testing::Close(answer.logits, logits.data(), static_cast<size_t>(count * kClasses)));
    EXPECT_TRUE(answer.choice.empty());
  }
  const OrtValue image = ChannelsFirst(images);
  EXPECT_NE(Run(kernel, image, std::vector<std::string>{"latency<=3"}).error.find("the node is one network"),
            std::string::npos);
  EXPECT_EQ(Run(kernel, image, std::vector<std::string>{}).error, "");
  EXPECT_NE(Run(kernel, OrtValue{{5, kSide, kSide, kChannels}, images})
                .error.find("input image: {5,8,8,3}, expected {N,3,8,8}"),
            std::string::npos);
  fail_outputs = true;
  EXPECT_NE(Run(kernel, image).error.find("no memory for outputs"), std::string::npos);
  Close(kernel);
}

TEST_F(Operator, RunsANetworkOfASupernetWithChannelsLast) {
  const std::string subnet =
      R"({"arch": "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"})";
  ASSERT_LT(subnet.size(), 256u);
  const auto images = Read<float>("subnet_values.f32"), logits = Read<float>("subnet_logits.f32");
  // The second is longer than the text that the library asks with first.
  for (const std::string& text : {subnet, subnet + std::string(300, ' ')}) {
    void* const kernel = Open(
        {{"file", folder + "/supernet.safetensors"}, {"subnet", text}, {"layout", "NHWC"}, {"threads", int64_t{2}}});
    ASSERT_NE(kernel, nullptr);
    const Answer answer = Run(kernel, OrtValue{{5, kSide, kSide, kChannels}, images});
    EXPECT_EQ(answer.error, "");
    EXPECT_TRUE(testing::Close(answer.logits, logits.data(), logits.size()));
    Close(kernel);
  }
}

TEST_F(Operator, KeepsWithinABudgetThatChanges) {
  const std::vector<std::string> budgets = {"latency<=100", "latency<=18", "latency<=9", "latency<=5"};
  const auto choices = Read<int32_t>("server_choices.i32");
  const auto logits = Read<float>("server_logits.f32");
  const OrtValue image = ChannelsFirst(Read<float>("server_values.f32"));
  Attributes attributes = Server();
  attributes["budget"] = budgets[1];
  void* const kernel = Open(attributes);
  ASSERT_NE(kernel, nullptr);
  const auto check = [&](size_t budget, const Answer& answer) {
    EXPECT_EQ(answer.error, "");
    EXPECT_EQ(answer.choice, std::vector<int64_t>(choices.begin() + static_cast<ptrdiff_t>(6 * budget),
                                                  choices.begin() + static_cast<ptrdiff_t>(6 * budget + 6)));
    EXPECT_TRUE(
        testing::Close(answer.logits, logits.data() + 2 * kClasses * static_cast<int64_t>(budget), 2 * kClasses));
  };
  check(1, Run(kernel, image));
  for (size_t budget : {3, 0, 2, 3, 1}) {
    check(budget, Run(kernel, image, std::vector{budgets[budget]}));
    check(budget, Run(kernel, image));  // stays
    check(budget, Run(kernel, image, std::vector<std::string>{"", ""}));
  }
  EXPECT_NE(Run(kernel, image, std::vector<std::string>{"latency<=0.1"}).error.find("nearest budget"),
            std::string::npos);
  check(1, Run(kernel, image));
  check(2, Run(kernel, image, std::vector<std::string>{"latency<=100", "accuracy>=1; latency<=9 ms ;"}));
  // Without the second output.
  OrtKernelContext context;
  context.inputs = {image, std::nullopt};
  context.outputs = {OrtValue{{}, std::vector<float>()}};
  EXPECT_EQ(Text(op_->KernelComputeV2(kernel, &context)), "");
  Close(kernel);
}

TEST_F(Operator, AnswersThreadsThatChangeTheBudget) {
  const std::vector<std::string> budgets = {"latency<=100", "latency<=18", "latency<=9", "latency<=5"};
  const auto choices = Read<int32_t>("server_choices.i32");
  const auto logits = Read<float>("server_logits.f32");
  const OrtValue image = ChannelsFirst(Read<float>("server_values.f32"));
  Attributes attributes = Server();
  attributes["lanes"] = int64_t{2};
  attributes["prepared"] = int64_t{2};
  attributes["wait"] = int64_t{0};
  void* const kernel = Open(attributes);
  ASSERT_NE(kernel, nullptr);
  std::vector<int> wrong(3, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 60; ++i) {
        const Answer answer = Run(kernel, image, std::vector{budgets[(i / 4 + t) % 4]});
        bool right = false;
        for (size_t b = 0; b < 4 && answer.error.empty(); ++b) {
          right = right || (std::equal(answer.choice.begin(), answer.choice.end(),
                                       choices.begin() + static_cast<ptrdiff_t>(6 * b)) &&
                            testing::Close(answer.logits, logits.data() + 20 * b, 20));
        }
        wrong[t] += right ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(3, 0));
  Close(kernel);
}

TEST_F(Operator, RefusesAttributes) {
  const std::string network = folder + "/network.mathnas", supernet = folder + "/supernet.safetensors";
  const auto expect = [&](const Attributes& attributes, const char* fragment) {
    const std::string error = RefusedWith(attributes);
    EXPECT_EQ(error.find("mathnas.Network: "), 0u) << error;
    EXPECT_NE(error.find(fragment), std::string::npos) << "\"" << fragment << "\" in: " << error;
  };
  expect({}, "attribute file: expected");
  expect({{"file", int64_t{7}}}, "attribute file: a number, expected a text");
  expect({{"file", 7.5f}}, "attribute file: a number, expected a text");
  expect({{"file", "no/such"}}, "no/such: cannot be opened");
  expect({{"file", folder + "/damaged.mathnas"}}, "damaged.mathnas: ");
  expect({{"file", network}, {"layout", "CHWN"}}, "attribute layout: \"CHWN\", expected NCHW or NHWC");
  expect({{"file", network}, {"threads", "many"}}, "attribute threads: expected an integer");
  expect({{"file", network}, {"threads", 2.5f}}, "attribute threads: expected an integer");
  expect({{"file", network}, {"threads", int64_t{0}}}, "attribute threads: 0, expected 1 to 4096");
  expect({{"file", network}, {"budget", "latency<=3"}}, "attribute budget: ");
  expect({{"file", network}, {"subnet", "[0]"}}, "the model is one network");
  expect({{"file", network}, {"table", folder + "/server_table.json"}}, "attribute table: ");
  expect({{"file", supernet}}, "attributes subnet, table: ");
  expect({{"file", supernet}, {"subnet", "@no/such"}}, "subnet: no/such: cannot be read");
  expect({{"file", supernet}, {"table", network}}, "attribute table: ");
  Attributes attributes = Server();
  attributes["budget"] = "latency<=0.1";
  expect(attributes, "no network keeps latency<=0.1");
  attributes = Server();
  attributes.erase("statistics");
  expect(attributes, "no statistics of its own");
}

}  // namespace
}  // namespace mathnas::onnxruntime::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 3) return 2;
  mathnas::onnxruntime::testing::library = argv[1];
  mathnas::onnxruntime::testing::folder = argv[2];
  return RUN_ALL_TESTS();
}
