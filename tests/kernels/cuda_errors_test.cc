// GPUs that cannot be used, and one that is lost. Each in a process of its own: libraries and devices stay.
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

namespace fs = std::filesystem;

constexpr auto kEnded = [](int status) { return ::testing::ExitedWithCode(0)(status); };

void Print(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
}

// Opens a device of an emulation with these settings and prints how that ended.
[[noreturn]] void TryOpening(const char* settings, const CudaOptions& options = {}) {
  setenv("MATHNAS_CUDA_EMULATION", settings, 1);
  Print("opened", CudaDevice(options).status());
  std::exit(0);
}

[[noreturn]] void TryLibraries(const fs::path& folder) {
  setenv("MATHNAS_CUDA_LIBRARIES", folder.c_str(), 1);
  Print("opened", CudaDevice().status());
  std::exit(0);
}

class CudaErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* libraries = std::getenv("MATHNAS_CUDA_LIBRARIES");
    if (libraries == nullptr || !fs::exists(fs::path(libraries) / "libmathnas_cuda_emulation.so")) {
      GTEST_SKIP() << "no emulation of a GPU";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    folder_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::create_directories(folder_);
  }
  ~CudaErrors() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  // Makes `file` of the folder another name of `library`.
  void Link(const std::string& file, const fs::path& library) {
    fs::remove(folder_ / file);
    fs::create_symlink(library, folder_ / file);
  }

  fs::path folder_;
};

TEST_F(CudaErrors, NoDriver) {
  EXPECT_EXIT(TryLibraries(folder_), kEnded,
              "opened: NOT_FOUND: no CUDA driver: libcuda.so.1 cannot be loaded: .*NoDriver/libcuda.so.1");
}

TEST_F(CudaErrors, NoCudnn) {
  Link("libcuda.so.1", fs::path(std::getenv("MATHNAS_CUDA_LIBRARIES")) / "libcuda.so.1");
  EXPECT_EXIT(TryLibraries(folder_), kEnded,
              "opened: NOT_FOUND: libcudnn.so.9 cannot be loaded: .*NoCudnn/libcudnn.so.9");
}

// Some other library under the name of the driver.
TEST_F(CudaErrors, LibraryWithoutTheEntryPoints) {
  Dl_info math = {};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(&std::sin)), &math), 0);
  Link("libcuda.so.1", math.dli_fname);
  EXPECT_EXIT(TryLibraries(folder_), kEnded,
              "opened: FAILED_PRECONDITION: .*/libcuda.so.1 has no cuInit: it is too old");
}

// All libraries but CUPTI, which only records need.
[[noreturn]] void TryRecords(const fs::path& folder) {
  setenv("MATHNAS_CUDA_LIBRARIES", folder.c_str(), 1);
  const auto device = CudaDevice();
  Print("opened", device.status());
  Print("observed", (*device)->Observe([] { return absl::OkStatus(); }).status());
  std::exit(0);
}

TEST_F(CudaErrors, NoCupti) {
  std::string cupti;
  for (const fs::directory_entry& e : fs::directory_iterator(std::getenv("MATHNAS_CUDA_LIBRARIES"))) {
    const std::string file = e.path().filename();
    Link(file, e.path());
    if (file.starts_with("libcupti")) cupti = file;
  }
  fs::remove(folder_ / cupti);
  EXPECT_EXIT(TryRecords(folder_), kEnded,
              "opened: OK\nobserved: UNAVAILABLE: (built without CUPTI|" + cupti + " cannot be loaded: .*NoCupti/)");
  Dl_info math = {};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(&std::sin)), &math), 0);
  Link(cupti, math.dli_fname);
  EXPECT_EXIT(TryRecords(folder_), kEnded,
              "opened: OK\nobserved: UNAVAILABLE: (built without CUPTI|.*/" + cupti +
                  " has no cuptiGetResultString: it is too old)");
}

TEST_F(CudaErrors, DriverOlderThanTheToolkit) {
  EXPECT_EXIT(TryOpening("driver=12080"), kEnded,
              "opened: FAILED_PRECONDITION: .*/libcuda.so.1 is of CUDA 12.8, expected 13.0 or newer: the driver is "
              "older than the toolkit");
}

TEST_F(CudaErrors, CudnnOfAnotherVersion) {
  EXPECT_EXIT(TryOpening("cudnn=100203"), kEnded,
              "opened: FAILED_PRECONDITION: .*/libcudnn.so.9 is cuDNN 10.2.3, expected one of version 9 ");
}

TEST_F(CudaErrors, NoDevice) {
  EXPECT_EXIT(TryOpening("devices=0"), kEnded, "opened: NOT_FOUND: no CUDA device: the driver finds none");
}

TEST_F(CudaErrors, DeviceThatIsNotThere) {
  EXPECT_EXIT(TryOpening("devices=2", {.device = 2}), kEnded, "opened: NOT_FOUND: CUDA device 2: there are 2");
  EXPECT_EXIT(TryOpening("devices=2", {.device = -1}), kEnded, "opened: NOT_FOUND: CUDA device -1: there are 2");
  EXPECT_EXIT(TryOpening("devices=2", {.device = 1}), kEnded, "opened: OK");
}

TEST_F(CudaErrors, ComputeCapabilityThatThereIsNoCodeFor) {
  EXPECT_EXIT(TryOpening("capability=75"), kEnded,
              "opened: FAILED_PRECONDITION: emulated GPU has compute capability 7.5, expected 8.0 or newer");
  EXPECT_EXIT(
      TryOpening("capability=130"), kEnded,
      "opened: FAILED_PRECONDITION: emulated GPU has compute capability 13.0, for which this build has no code");
}

TEST_F(CudaErrors, NoMemoryAtAll) {
  const auto use = [] {
    setenv("MATHNAS_CUDA_EMULATION", "memory=0", 1);
    auto device = CudaDevice();
    Print("used", device.ok() ? (*device)->NewTensor({DType::kF32, {1 << 20}}).status() : device.status());
    std::exit(0);
  };
  EXPECT_EXIT(use(), kEnded, "used: RESOURCE_EXHAUSTED: emulated GPU: 4.0 MiB wanted, 0.0 MiB of 0.0 MiB are free");
}

// A kernel fails in the second run of a context; nothing works from then on, and all of it can be destroyed.
[[noreturn]] void LoseTheDevice() {
  setenv("MATHNAS_CUDA_EMULATION", "failing_launch=1", 1);
  {
    const auto device = *CudaDevice();
    Graph g;
    const Value y = g.Apply(Relu{}, {g.Input("x", {100})})[0];
    const auto plan = *Plan::Create(g, {{"y", y}}, *device);
    auto context = *Context::Create(plan, {});
    const Tensor w = *device->NewTensor({DType::kF32, {8}}), g1 = *device->NewTensor({DType::kF32, {8}}), none;
    Print("first run", context->Run());
    Print("second run", context->Run());
    Print("third run", context->Run());
    Print("timed run", context->RunTimed({}));
    Print("context", Context::Create(plan, {}).status());
    Print("stream", device->NewStream().status());
    Print("tensor", device->NewTensor({DType::kF32, {8}}).status());
    Print("wait", device->Wait());
    Print("step", device->SgdStep({{{.momentum = 0}, w.view(), g1.view(), {{DType::kF32, {0}}, nullptr}, true}}));
    const std::pair<TensorView, TensorView> pairs[] = {{w.view(), g1.view()}};
    Print("products", device->DotProducts(pairs).status());
  }
  std::fprintf(stderr, "all destroyed\n");
  std::exit(0);
}

TEST_F(CudaErrors, LostDevice) {
  const std::string lost = "ABORTED: the CUDA device was lost to this process by an earlier error; start it again\n";
  EXPECT_EXIT(LoseTheDevice(), kEnded,
              "first run: OK\n"
              "second run: ABORTED: cuStreamSynchronize: unspecified launch failure .CUDA_ERROR_LAUNCH_FAILED.; the "
              "device is lost to this process, start it again\n"
              "third run: " +
                  lost + "timed run: " + lost + "context: " + lost + "stream: " + lost + "tensor: " + lost +
                  "wait: " + lost + "step: " + lost + "products: " + lost + "all destroyed\n");
}

}  // namespace
}  // namespace mathnas::kernels
