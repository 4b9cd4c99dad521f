// The C interface, called in any order with anything that a caller may be wrong about: handles that are null,
// destroyed, of another type or made up, sizes of structs, numbers, texts and files. What a caller must get right is
// right: addresses of memory, and its size.
//
// An input is a program: each step takes a byte for the call and more for its arguments, until the input is used up;
// what files are read of is the rest of the input.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "mathnas.h"
#include "supernet/nasbench201/space.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"

// A file may ask for any amount of memory, which is then not to be had.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

namespace {

using mathnas::fuzz::Check;

constexpr size_t kBuffer = size_t{1} << 16;        // bytes of inputs and outputs
constexpr uint64_t kRunBelow = uint64_t{1} << 20;  // of workspace: what is larger takes long
constexpr int kMaxSteps = 200;
alignas(64) std::array<std::byte, kBuffer> input_buffer, output_buffer;

constexpr std::string_view kTable =
    R"({"format": "mathnas-block-table/1", "space": "two", "nodes": [
{"name": "first", "candidates": ["small", "large"], "reference": 0},
{"name": "second", "candidates": ["small", "large", "huge"], "reference": 0}], "metrics": {
"accuracy": {"unit": "%", "goal": "max", "form": "cost", "base": 70, "values": [[0, 4], [0, 5, 6]]},
"flops": {"unit": "MMAC", "goal": "min", "form": "cost", "base": 1, "values": [[1, 2], [1, 3, 9]]},
"latency": {"unit": "ms", "goal": "min", "form": "cost", "base": 1, "values": [[0, 1], [0, 2, 5]]}}})";

// A supernet that is prepared in a millisecond, as the bytes of its checkpoint, and a table of it.
constexpr int64_t kSide = 4, kServerClasses = 10;
const std::string& SupernetFile() {
  static const std::string bytes = [] {
    const auto space = mathnas::supernet::NasBench201({.channels = 1, .cells = 1, .height = kSide, .width = kSide});
    Check(space.ok(), "a small supernet");
    mathnas::supernet::Checkpoint checkpoint;
    checkpoint.space = (*space)->name();
    checkpoint.macro = (*space)->MacroJson();
    checkpoint.recipe = ToJson(mathnas::supernet::TrainingRecipe{});
    checkpoint.weights =
        mathnas::supernet::AllocateWeights((*space)->Supernet({.mode = mathnas::supernet::Mode::kTraining}).graph);
    mathnas::supernet::FillSynthetic(checkpoint.weights);
    std::string path = (std::filesystem::temp_directory_path() / "mathnas-c-fuzz-XXXXXX").string();
    Check(mkdtemp(path.data()) != nullptr, "a folder for the supernet");
    Check(SaveCheckpoint(path + "/supernet", checkpoint).ok(), "a supernet that is saved");
    std::ifstream file(path + "/supernet", std::ios::binary);
    std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::filesystem::remove_all(path);
    return all;
  }();
  return bytes;
}

const std::string& ServerTable() {
  static const std::string text = [] {
    std::string nodes, accuracy, latency;
    for (const char* node : {"1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2"}) {
      const char* const comma = nodes.empty() ? "" : ", ";
      nodes +=
          std::string(comma) + R"({"name": ")" + node +
          R"(", "candidates": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"], "reference": 3})";
      accuracy += std::string(comma) + "[0, 1, 4, 5, 2]";
      latency += std::string(comma) + "[0, 0.1, 1, 4, 0.5]";
    }
    const auto metric = [](const char* name, const char* unit, const char* goal, const std::string& values) {
      return std::string("\"") + name + R"(": {"unit": ")" + unit + R"(", "goal": ")" + goal +
             R"(", "form": "cost", "base": 1, "values": [)" + values + "]}";
    };
    return R"({"format": "mathnas-block-table/1", "space": "nasbench201", "nodes": [)" + nodes + R"(], "metrics": {)" +
           metric("accuracy", "%", "max", accuracy) + ", " + metric("latency", "ms", "min", latency) + "}}";
  }();
  return text;
}

// A file in memory, for functions that want a path: nothing touches a disk.
class File {
 public:
  explicit File(std::string_view bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Check(file_ >= 0, "a file in memory");
    Check(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "a file that is written");
    path_ = "/proc/self/fd/" + std::to_string(file_);
  }
  ~File() { close(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const char* path() const { return path_.c_str(); }

 private:
  int file_;
  std::string path_;
};

// Threads of a caller: good ones, though in an order of their own, and some that forget tasks, run them twice or run
// what nobody asked for.
void Backwards(void*, int64_t count, mathnas_task task, void* argument) {
  Check(count >= 2, "a single task for others");
  while (count > 0) task(argument, --count);
}
void TooMuch(void*, int64_t count, mathnas_task task, void* argument) {
  for (int64_t i = -1; i < 2 * count; ++i) task(argument, i % (count + 1));
}
void TooLittle(void*, int64_t count, mathnas_task task, void* argument) {
  for (int64_t i = 1; i < count; ++i) task(argument, i);
}
constexpr std::array<mathnas_parallel_for, 3> kPools = {Backwards, TooMuch, TooLittle};

class Calls {
 public:
  Calls(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  void Run() {
    // Servers take milliseconds each: they have inputs of their own, which begin with a word.
    constexpr std::string_view kServe = "serve";
    const bool serve = std::string_view(reinterpret_cast<const char*>(data_), size_).starts_with(kServe);
    if (serve) at_ = kServe.size();
    for (int step = 0; step < kMaxSteps && at_ < size_; ++step) {
      Step(serve ? Byte() % kSteps : Byte() % kStepsWithoutServer);
      const char* error = mathnas_last_error();
      Check(std::strlen(error) < 2048, "a text that is too long");
    }
    for (const Handle& h : handles_) Destroy(h);
    Check(mathnas_live_handles() == 0, "handles that cannot be destroyed");
  }

 private:
  enum Type { kModel, kPlan, kContext, kTableType, kPredictor, kResult, kCancel, kTranslator, kServer };
  static constexpr int kTypes = 9, kMostServers = 2;
  static constexpr int kStepsWithoutServer = 29, kSteps = 31;
  struct Handle {
    void* handle;
    Type type;
  };

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }
  uint64_t Number() {
    uint64_t n = 0;
    for (int i = 0; i < 8; ++i) n = n << 8 | Byte();
    return n;
  }
  // Most often small.
  int64_t Integer() {
    const uint8_t kind = Byte();
    if (kind < 192) return kind % 8;
    if (kind < 224) return -1;
    return kind < 240 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(Number());
  }
  int64_t Few(std::initializer_list<int64_t> values) { return values.begin()[Byte() % values.size()]; }
  std::string Text() {
    const size_t length = std::min<size_t>(Byte() % 32, size_ - at_);
    std::string text(reinterpret_cast<const char*>(data_) + at_, length);
    at_ += length;
    return text;
  }
  std::string_view Rest() {
    const std::string_view rest(reinterpret_cast<const char*>(data_) + at_, size_ - at_);
    at_ = size_;
    return rest;
  }

  // Of this type and alive, most often.
  template <typename H>
  H Any(Type type) {
    const uint8_t kind = Byte();
    const auto last = std::find_if(handles_.rbegin(), handles_.rend(), [&](const Handle& h) { return h.type == type; });
    void* handle = last == handles_.rend() ? nullptr : last->handle;
    if (kind >= 128 && kind < 192 && !handles_.empty()) handle = handles_[kind % handles_.size()].handle;
    if (kind >= 192 && kind < 224 && !gone_.empty()) handle = gone_[kind % gone_.size()];
    if (kind >= 224 && kind < 248) {
      handle = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(handle) ^ uintptr_t{1} << Byte() % 64);
    }
    if (kind >= 248) handle = reinterpret_cast<void*>(static_cast<uintptr_t>(Number()));
    return static_cast<H>(static_cast<void*>(handle));
  }

  template <typename H>
  void Keep(mathnas_status status, const H& handle, Type type) {
    Check((status == MATHNAS_OK) == (handle != nullptr), "a handle and an error, or neither");
    if (handle != nullptr) handles_.push_back({handle, type});
  }

  void Destroy(const Handle& h) {
    const mathnas_status status = End(h.type, h.handle);
    Check(status == MATHNAS_OK || (status == MATHNAS_BAD_HANDLE && IsGone(h.handle)), "a handle that is not destroyed");
    gone_.push_back(h.handle);
  }
  bool IsGone(void* handle) const { return std::find(gone_.begin(), gone_.end(), handle) != gone_.end(); }

  static mathnas_status End(Type type, void* h) {
    switch (type) {
      case kModel:
        return mathnas_model_destroy(static_cast<mathnas_model>(h));
      case kPlan:
        return mathnas_plan_destroy(static_cast<mathnas_plan>(h));
      case kContext:
        return mathnas_context_destroy(static_cast<mathnas_context>(h));
      case kTableType:
        return mathnas_table_destroy(static_cast<mathnas_table>(h));
      case kPredictor:
        return mathnas_predictor_destroy(static_cast<mathnas_predictor>(h));
      case kResult:
        return mathnas_result_destroy(static_cast<mathnas_result>(h));
      case kCancel:
        return mathnas_cancel_destroy(static_cast<mathnas_cancel>(h));
      case kTranslator:
        return mathnas_translator_destroy(static_cast<mathnas_translator>(h));
      case kServer:
        return mathnas_server_destroy(static_cast<mathnas_server>(h));
    }
    return MATHNAS_INTERNAL;
  }

  // A struct of any size, with room for what the library may write if it takes the size for right.
  template <typename T>
  struct Padded {
    T s;
    std::array<uint8_t, 4096> more{};
  };
  template <typename T, typename InitFunction>
  void Init(Padded<T>& padded, InitFunction init) {
    Check(init(&padded.s, sizeof(T)) == MATHNAS_OK, "a struct that is not prepared");
    const uint8_t kind = Byte();
    if (kind >= 232) padded.s.struct_size = static_cast<uint32_t>(Number());
    if (kind >= 248) init(&padded.s, std::min<size_t>(padded.s.struct_size, sizeof(padded)));
    if (kind >= 224 && kind < 232) {
      padded.s.struct_size = static_cast<uint32_t>(sizeof(T) + 16);
      padded.more[kind - 224] = kind % 2;
    }
  }

  void Read() {
    mathnas_model model = nullptr;
    Padded<mathnas_model_options> options;
    Init(options, mathnas_model_options_init);
    options.s.device = static_cast<int32_t>(Few({0, 0, 0, 1, 2, -1}));
    const uint8_t threads = Byte();
    options.s.threads = std::array{1, 1, 1, 1, 0, -1, 5000, 2, 3}[threads % 9];
    const bool has_pool = options.s.struct_size >= offsetof(mathnas_model_options, parallel_user);
    const bool pool = has_pool && (threads >= 128 || options.s.threads > 1);
    if (pool) options.s.parallel_for = kPools[threads % kPools.size()];
    if (!pool && options.s.threads < 5000) options.s.threads = std::min(options.s.threads, 1);  // no OpenMP here
    const std::string_view rest = Rest();
    Keep(mathnas_model_read(rest.data(), rest.size(), &options.s, &model), model, kModel);
    if (model == nullptr) return;
    // Nothing of the input is left: what follows is the same for every file.
    mathnas_tensor tensor;
    mathnas_tensor_init(&tensor, sizeof(tensor));
    Check(mathnas_model_input(model, &tensor) == MATHNAS_OK, "a model without an input");
    const bool small = tensor.bytes <= kBuffer;
    Check(mathnas_model_output(model, &tensor) == MATHNAS_OK, "a model without an output");
    mathnas_plan plan = nullptr;
    mathnas_plan_options plan_options;
    mathnas_plan_options_init(&plan_options, sizeof(plan_options));
    if (pool) plan_options.batch = 5;
    if (small && tensor.bytes <= kBuffer) Keep(mathnas_plan_create(model, &plan_options, &plan), plan, kPlan);
    mathnas_plan_memory memory;
    mathnas_plan_memory_init(&memory, sizeof(memory));
    if (plan == nullptr || mathnas_plan_get_memory(plan, &memory) != MATHNAS_OK) return;
    if (memory.workspace_bytes >= kRunBelow) return;
    mathnas_context context = nullptr;
    Keep(mathnas_context_create(plan, nullptr, &context), context, kContext);
    if (context == nullptr) return;
    const bool forgotten = pool && options.s.parallel_for == TooLittle && options.s.threads > 1;
    Check(mathnas_context_run(context) == (forgotten ? MATHNAS_FAILED_PRECONDITION : MATHNAS_OK),
          "a network that does not run, or runs without all of its parts");
  }

  // Files of every kind, by their paths.
  void Open() {
    mathnas_model model = nullptr;
    mathnas_table table = nullptr;
    mathnas_translator translator = nullptr;
    Padded<mathnas_model_options> options;
    Init(options, mathnas_model_options_init);
    options.s.device = static_cast<int32_t>(Few({0, 0, 1, 2, -1}));
    const int kind = Byte() % 4;
    const bool null = Byte() >= 240, table_of_ours = Byte() < 64;
    const File file(kind == 1 && table_of_ours ? kTable : Rest());
    const char* const path = null ? nullptr : kind == 3 ? "no/such/file" : file.path();
    switch (kind) {
      case 0:
        Keep(mathnas_model_open(path, &options.s, &model), model, kModel);
        return;
      case 1:
        Keep(mathnas_table_open(path, &table), table, kTableType);
        return;
      default:
        Keep(mathnas_translator_open(path, &options.s, &translator), translator, kTranslator);
        return;
    }
  }

  // No translator is among the handles, as one takes seconds: what is right is in translator_test.c.
  void Translate() {
    const auto translator = Any<mathnas_translator>(kTranslator);
    const std::string sentence = Text();
    const char* text = nullptr;
    double score = 0;
    const bool null = Byte() >= 240;
    mathnas_translator_run(translator, null ? nullptr : sentence.c_str(),
                           Byte() < 192 ? nullptr : Any<mathnas_cancel>(kCancel), Byte() < 240 ? &text : nullptr,
                           &score);
    mathnas_translator_information(translator, null ? nullptr : &text);
  }

  void MakePlan() {
    mathnas_plan plan = nullptr;
    Padded<mathnas_plan_options> options;
    Init(options, mathnas_plan_options_init);
    options.s.batch = Few({1, 1, 2, 3, 8, 0, -1, 65537, std::numeric_limits<int64_t>::max()});
    const std::string subnet = Text();
    const int32_t choice[4] = {};
    if (Byte() >= 192) options.s.subnet = subnet.c_str();
    if (Byte() >= 192) options.s.choice = choice;
    options.s.choice_count = Byte() % 5;
    Keep(mathnas_plan_create(Any<mathnas_model>(kModel), &options.s, &plan), plan, kPlan);
  }

  void MakeContext() {
    mathnas_context context = nullptr;
    Padded<mathnas_context_options> options;
    Init(options, mathnas_context_options_init);
    if (Byte() >= 128) {
      options.s.workspace = input_buffer.data() + Byte() % 2;
      options.s.workspace_bytes = Byte() >= 128 ? kBuffer - 1 : Byte();
    }
    Keep(mathnas_context_create(Any<mathnas_plan>(kPlan), &options.s, &context), context, kContext);
  }

  void SetUp() {
    Padded<mathnas_bindings> bindings;
    Init(bindings, mathnas_bindings_init);
    bindings.s.input_type = static_cast<int32_t>(Few({MATHNAS_F32, MATHNAS_U8, MATHNAS_F64, -1}));
    bindings.s.rows = Few({0, 1, 2, 3, -1, std::numeric_limits<int64_t>::max()});
    if (Byte() < 192) bindings.s.input = input_buffer.data();
    if (Byte() < 192) bindings.s.output = reinterpret_cast<float*>(output_buffer.data());
    // A right size from time to time: those of the corpus's network for 1 to 8 rows.
    bindings.s.input_bytes = static_cast<uint64_t>(Few({64, 128, 192, 16, 32, 48, 0, 65536}));
    bindings.s.output_bytes = static_cast<uint64_t>(Few({12, 24, 36, 0, 65536}));
    mathnas_context_setup(Any<mathnas_context>(kContext), &bindings.s);
  }

  void Search() {
    mathnas_result result = nullptr;
    Padded<mathnas_search_options> options;
    Init(options, mathnas_search_options_init);
    std::string texts[5] = {Text(), Text(), Text(), Text(), Text()};
    if (Byte() < 160) texts[0] = "latency<=4";
    if (Byte() < 160) texts[1] = "first=large";
    const char* const list[4] = {texts[0].c_str(), texts[2].c_str(), nullptr, texts[3].c_str()};
    const char* const assignments[2] = {texts[1].c_str(), texts[3].c_str()};
    const char* const fronts[2] = {Byte() < 160 ? "latency" : texts[4].c_str(), "flops"};
    options.s.limits = list;
    options.s.limit_count = static_cast<uint32_t>(Few({0, 1, 1, 1, 2, 3, 4}));
    options.s.fixed = Byte() < 128 ? assignments : nullptr;
    options.s.fixed_count = static_cast<uint32_t>(Few({0, 0, 0, 1, 2}));
    options.s.forbidden = assignments;
    options.s.forbidden_count = static_cast<uint32_t>(Few({0, 0, 0, 1, 2}));
    options.s.fronts = fronts;
    options.s.front_count = static_cast<uint32_t>(Few({0, 0, 0, 1, 2}));
    static const char* const kEstimators[] = {"eq6", "linear", "eq5", "interaction", "", nullptr};
    options.s.estimator = kEstimators[Byte() % 6];
    if (Byte() >= 240) options.s.objective = texts[4].c_str();
    options.s.top = static_cast<int32_t>(Integer());
    options.s.time_limit = Byte() < 224 ? 0.01 : -1.0;
    if (Byte() >= 192) options.s.cancel = Any<mathnas_cancel>(kCancel);
    Keep(mathnas_search(Any<mathnas_table>(kTableType), &options.s, &result), result, kResult);
  }

  void MakePredictor() {
    mathnas_predictor predictor = nullptr;
    Padded<mathnas_predictor_options> options;
    Init(options, mathnas_predictor_options_init);
    const std::string text = Text();
    const char* const metrics[3] = {"accuracy", "latency", Byte() < 192 ? "flops" : text.c_str()};
    options.s.metrics = Byte() < 240 ? metrics : nullptr;
    options.s.metric_count = static_cast<uint32_t>(Few({1, 2, 3, 0}));
    options.s.shared_index = static_cast<int32_t>(Few({0, 0, 0, 1, -1}));
    Keep(mathnas_predictor_create(Any<mathnas_table>(kTableType), &options.s, &predictor), predictor, kPredictor);
  }

  // Of tables with at most a few nodes: 16 rows of 64 entries have room.
  void Predict() {
    Padded<mathnas_predictions> p;
    Init(p, mathnas_predictions_init);
    p.s.choice_type = static_cast<int32_t>(Few({MATHNAS_U8, MATHNAS_U16, MATHNAS_F32, -1}));
    p.s.value_type = static_cast<int32_t>(Few({MATHNAS_F64, MATHNAS_F32, MATHNAS_U8, 9}));
    p.s.rows = Few({0, 1, 2, 16, -1, std::numeric_limits<int64_t>::max()});
    p.s.choice_stride = Few({0, 64, 1, -1, std::numeric_limits<int64_t>::max()});
    p.s.value_stride = Few({0, 16, 1, -1, std::numeric_limits<int64_t>::max()});
    p.s.choices = Byte() < 240 ? input_buffer.data() : nullptr;
    p.s.values = Byte() < 240 ? output_buffer.data() : nullptr;
    p.s.threads = static_cast<int32_t>(Few({1, 1, 1, 0, -1, 5000}));
    for (size_t i = 0; i < 64; ++i) input_buffer[i] = static_cast<std::byte>(Byte() % 4);
    mathnas_predictor_run(Any<mathnas_predictor>(kPredictor), &p.s);
  }

  // Of the small supernet most often.
  void MakeServer() {
    const uint8_t kind = Byte();
    if (kind >= 64 || servers_ == kMostServers) return;
    ++servers_;
    mathnas_model model = nullptr;
    mathnas_table table = nullptr;
    mathnas_server server = nullptr;
    const std::string &file = SupernetFile(), &text = ServerTable();
    mathnas_model_options model_options;
    mathnas_model_options_init(&model_options, sizeof(model_options));
    if (kind >= 32) {
      model_options.threads = 2;
      model_options.parallel_for = kPools[kind % kPools.size()];
    }
    Check(mathnas_model_read(file.data(), file.size(), &model_options, &model) == MATHNAS_OK, "the small supernet");
    Check(mathnas_table_read(text.data(), text.size(), &table) == MATHNAS_OK, "its table");
    Keep(MATHNAS_OK, model, kModel);
    Keep(MATHNAS_OK, table, kTableType);
    Padded<mathnas_search_options> search;
    Init(search, mathnas_search_options_init);
    Padded<mathnas_server_options> options;
    Init(options, mathnas_server_options_init);
    const std::string words = Text();
    const char* const limits[1] = {Byte() < 192 ? "latency<=9" : words.c_str()};
    search.s.limits = limits;
    search.s.limit_count = Byte() % 2;
    search.s.estimator = Byte() < 240 ? "linear" : "eq6";
    options.s.search = Byte() < 240 ? &search.s : nullptr;
    options.s.lanes = static_cast<int32_t>(Few({1, 1, 2, 0, -1, 5000}));
    options.s.batch = Few({1, 1, 2, 0, -1, std::numeric_limits<int64_t>::max()});
    options.s.prepared = static_cast<int32_t>(Few({2, 2, 8, 1, -1}));
    options.s.background = static_cast<int32_t>(Few({0, 0, 1, 2}));
    options.s.image_side = static_cast<int32_t>(Few({0, 0, 0, kSide, 5, -1}));
    if (Byte() >= 240) options.s.blocks = words.c_str();
    if (Byte() >= 248) options.s.calibration_data = words.c_str();
    if (Byte() >= 248) options.s.statistics_file = "no/such/file";
    if (Byte() < 240) options.s.calibration_pixels = reinterpret_cast<const uint8_t*>(input_buffer.data());
    options.s.calibration_channels = static_cast<uint32_t>(Few({3, 3, 3, 1, 0}));
    options.s.calibration_images = Few({2, 2, 2, 1, 0, -1, std::numeric_limits<int64_t>::max()});
    options.s.calibration_height = options.s.calibration_width = Few({kSide, kSide, kSide, 3, 0, -1});
    options.s.calibration_batches = Few({1, 1, 1, 2, 0, -1});
    options.s.calibration_batch = Few({2, 2, 2, 1, 0, -1});
    if (Byte() >= 192) options.s.follow = Byte() < 192 ? "latency" : words.c_str();
    options.s.follow_window = static_cast<int32_t>(Few({1, 1, 20, 0, -1}));
    options.s.follow_warmup = static_cast<int32_t>(Few({0, 0, 5, -1}));
    if (Byte() >= 224) options.s.follow_margin = static_cast<double>(Integer());
    Keep(mathnas_server_create(Byte() < 224 ? model : Any<mathnas_model>(kModel),
                               Byte() < 224 ? table : Any<mathnas_table>(kTableType), &options.s, &server),
         server, kServer);
  }

  void Serve() {
    const auto server = Any<mathnas_server>(kServer);
    Padded<mathnas_bindings> bindings;
    Padded<mathnas_decision> decision;
    Padded<mathnas_served> served;
    Padded<mathnas_subnet> subnet;
    Padded<mathnas_server_statistics> statistics;
    Padded<mathnas_tensor> tensor;
    const std::string text = Text();
    const char* const limits[2] = {text.c_str(), nullptr};
    uint32_t present = 0;
    int32_t worked = 0;
    switch (Byte() % 12) {
      case 0: {
        Init(bindings, mathnas_bindings_init);
        Init(served, mathnas_served_init);
        const int64_t rows = Few({1, 2, 3, 0, -1, std::numeric_limits<int64_t>::max()});
        bindings.s.rows = rows;
        bindings.s.input_type = static_cast<int32_t>(Few({MATHNAS_F32, MATHNAS_F32, MATHNAS_F32, MATHNAS_U8}));
        bindings.s.input = Byte() < 240 ? input_buffer.data() : nullptr;
        bindings.s.output = Byte() < 240 ? reinterpret_cast<float*>(output_buffer.data()) : nullptr;
        const uint64_t count = rows > 0 && rows < 4 ? static_cast<uint64_t>(rows) : 1;
        bindings.s.input_bytes = count * kSide * kSide * 3 * sizeof(float) + (Byte() >= 240);
        bindings.s.output_bytes = count * kServerClasses * sizeof(float);
        mathnas_server_run(server, &bindings.s, Byte() < 192 ? &served.s : nullptr);
        return;
      }
      case 1:
        Init(decision, mathnas_decision_init);
        mathnas_server_set_limits(server, Byte() < 240 ? limits : nullptr, static_cast<uint32_t>(Few({0, 1, 1, 2})),
                                  &decision.s);
        return;
      case 2: {
        static const double kBudgets[] = {
            3, 9, 18, 100, 0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
        Init(decision, mathnas_decision_init);
        mathnas_server_set_budget(server, Byte() < 224 ? "latency" : text.c_str(), kBudgets[Byte() % 7],
                                  Byte() < 192 ? &decision.s : nullptr);
        return;
      }
      case 3:
        mathnas_server_set_subnet(server, Byte() < 128 ? "[3,1,2,1,0,3]" : text.c_str(), nullptr);
        return;
      case 4:
        mathnas_server_prepare(server, Byte() < 128 ? "[2,1,2,1,0,2]" : text.c_str());
        return;
      case 5:
        mathnas_server_wait(server);
        return;
      case 6:
        mathnas_server_work(server, Byte() < 240 ? &worked : nullptr);
        return;
      case 7:
        mathnas_server_present(server, Byte() < 240 ? &present : nullptr);
        return;
      case 8:
        Init(subnet, mathnas_subnet_init);
        mathnas_server_subnet(server, Byte() % 4, &subnet.s);
        return;
      case 9:
        Init(statistics, mathnas_server_statistics_init);
        mathnas_server_get_statistics(server, &statistics.s);
        return;
      case 10:
        Init(tensor, mathnas_tensor_init);
        mathnas_server_input(server, &tensor.s);
        mathnas_server_output(server, &tensor.s);
        return;
      case 11:
        Check(mathnas_server_save_statistics(server, "no/such/folder/file") != MATHNAS_OK, "a file in no folder");
        return;
    }
  }

  void Ask(int what) {
    const char* text = nullptr;
    uint32_t count = 0;
    int32_t kind = 0;
    double value = 0;
    float* values = nullptr;
    Padded<mathnas_tensor> tensor;
    Padded<mathnas_result_summary> summary;
    Padded<mathnas_network> network;
    Padded<mathnas_plan_memory> memory;
    const bool null = Byte() >= 240;
    switch (what) {
      case 0:
        mathnas_model_kind(Any<mathnas_model>(kModel), null ? nullptr : &kind);
        return;
      case 1:
        Init(tensor, mathnas_tensor_init);
        mathnas_model_input(Any<mathnas_model>(kModel), null ? nullptr : &tensor.s);
        return;
      case 2:
        Init(tensor, mathnas_tensor_init);
        mathnas_model_output(Any<mathnas_model>(kModel), &tensor.s);
        return;
      case 3:
        mathnas_model_class_name(Any<mathnas_model>(kModel), Byte(), null ? nullptr : &text);
        mathnas_model_class_count(Any<mathnas_model>(kModel), null ? nullptr : &count);
        return;
      case 4:
        mathnas_model_information(Any<mathnas_model>(kModel), null ? nullptr : &text);
        break;
      case 5:
        Init(tensor, mathnas_tensor_init);
        mathnas_plan_input(Any<mathnas_plan>(kPlan), &tensor.s);
        mathnas_plan_output(Any<mathnas_plan>(kPlan), &tensor.s);
        return;
      case 6:
        Init(memory, mathnas_plan_memory_init);
        mathnas_plan_get_memory(Any<mathnas_plan>(kPlan), null ? nullptr : &memory.s);
        return;
      case 7:
        mathnas_plan_describe(Any<mathnas_plan>(kPlan), null ? nullptr : &text);
        break;
      case 8:
        mathnas_context_memory(Any<mathnas_context>(kContext), &values, nullptr);
        return;
      case 9:
        mathnas_table_candidate_count(Any<mathnas_table>(kTableType), Byte() % 4, null ? nullptr : &count);
        mathnas_table_node_count(Any<mathnas_table>(kTableType), null ? nullptr : &count);
        mathnas_table_describe(Any<mathnas_table>(kTableType), &text);
        break;
      case 10:
        Init(summary, mathnas_result_summary_init);
        mathnas_result_get_summary(Any<mathnas_result>(kResult), null ? nullptr : &summary.s);
        mathnas_result_json(Any<mathnas_result>(kResult), null ? nullptr : &text);
        break;
      case 11:
        Init(network, mathnas_network_init);
        mathnas_result_network(Any<mathnas_result>(kResult), Byte() % 3, Byte() % 4, &network.s);
        mathnas_result_predicted(Any<mathnas_result>(kResult), Byte() % 3, Byte() % 4, Byte() < 200 ? "latency" : "x",
                                 null ? nullptr : &value);
        return;
    }
    if (text != nullptr) Check(std::strlen(text) > 0, "an empty text");
  }

  void Step(int call) {
    mathnas_table table = nullptr;
    mathnas_cancel cancel = nullptr;
    switch (call) {
      case 0:
        return Read();
      case 1:
        return MakePlan();
      case 2:
        return MakeContext();
      case 3:
        return SetUp();
      case 4:
        mathnas_context_run(Any<mathnas_context>(kContext));
        return;
      case 5:
        Keep(mathnas_table_read(kTable.data(), kTable.size() - (Byte() >= 250), &table), table, kTableType);
        return;
      case 6:
        return Search();
      case 7:
        return MakePredictor();
      case 8:
        return Predict();
      case 9:
        Keep(mathnas_cancel_create(&cancel), cancel, kCancel);
        return;
      case 10:
        mathnas_cancel_set(Any<mathnas_cancel>(kCancel), Byte());
        return;
      case 11:  // the last one, or one that was destroyed before
        if (!handles_.empty()) Destroy(handles_[Byte() % handles_.size()]);
        return;
      case 12: {  // any handle by the function of any type
        const auto type = static_cast<Type>(Byte() % kTypes);
        void* const h = Any<void*>(type);
        if (End(type, h) == MATHNAS_OK && h != nullptr) gone_.push_back(h);
        return;
      }
      case 13:
        return Open();
      case 26:
        return Translate();
      case 27:  // any number has a name
        Check(std::strlen(mathnas_status_name(static_cast<mathnas_status>(Integer()))) > 0, "a status without a name");
        return;
      case 28:
        Check(mathnas_api_version() == MATHNAS_API_VERSION && mathnas_version_string()[0] != 0, "a version");
        return;
      case 29:
        return MakeServer();
      case 30:
        return Serve();
      default:
        return Ask(call - 14);
    }
  }

  const uint8_t* data_;
  size_t size_, at_ = 0;
  int servers_ = 0;
  std::vector<Handle> handles_;
  std::vector<void*> gone_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Calls(data, size).Run();
  return 0;
}
