#include "kernels/cuda/emulation/threads.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace mathnas::kernels::cuda::emulation {

Indices running = {};

namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr unsigned kWarp = 32;
constexpr size_t kLargestValue = 16;  // bytes of a shuffle

// Threads that wait for each other, again and again.
struct Barrier {
  unsigned members = 0;
  unsigned arrived = 0;
  unsigned generation = 0;
};

struct Warp {
  Barrier barrier;
  // Values of a shuffle. Two sets, since a fast thread may be at the next shuffle while a slow one still reads.
  alignas(16) std::byte values[2][kWarp][kLargestValue];
  unsigned shuffles[kWarp] = {};
};

struct Fiber {
  std::unique_ptr<std::byte[]> stack;
  jmp_buf where;
  bool started = false;  // its stack is set up
  bool done = false;
  uint3 index = {};
};

// The block that runs. Switching between fibers is by longjmp, which makes no system calls; ucontext only gives a new
// one its stack, once: a fiber runs the kernel for one block after the other.
class Block {
 public:
  void Run(const Indices& first, bool reversed, size_t shared_bytes, const std::function<void()>& kernel) {
    kernel_ = &kernel;
    running = first;
    shared_.resize(shared_bytes + 16);
    const unsigned threads = first.block_dim.x * first.block_dim.y * first.block_dim.z;
    while (fibers_.size() < threads) {
      fibers_.emplace_back();
      fibers_.back().stack = std::make_unique<std::byte[]>(kStackBytes);
    }
    warps_.resize((threads + kWarp - 1) / kWarp);
    for (unsigned w = 0; w < warps_.size(); ++w) {
      warps_[w].barrier = {.members = std::min(kWarp, threads - w * kWarp)};
      std::fill_n(warps_[w].shuffles, kWarp, 0);
    }
    all_ = {.members = threads};
    uint3 index = {};
    for (unsigned t = 0; t < threads; ++t) {
      fibers_[t].done = false;
      fibers_[t].index = index;
      if (++index.x < first.block_dim.x) continue;
      index.x = 0;
      if (++index.y < first.block_dim.y) continue;
      index.y = 0;
      ++index.z;
    }
    unsigned left = threads;
    while (left > 0) {
      const unsigned before = left;
      progress_ = false;
      for (unsigned i = 0; i < threads; ++i) {
        const unsigned t = reversed ? threads - 1 - i : i;
        if (fibers_[t].done) continue;
        Resume(t);
        left -= fibers_[t].done;
      }
      if (left == before && !progress_) {
        std::fprintf(stderr,
                     "CUDA emulation: %u of %u threads of a block wait for others that are done or wait elsewhere\n",
                     left, threads);
        std::abort();
      }
    }
  }

  void* shared() {
    const auto at = reinterpret_cast<uintptr_t>(shared_.data());
    return reinterpret_cast<void*>((at + 15) / 16 * 16);
  }

  void Wait(Barrier& barrier) {
    const unsigned generation = barrier.generation;
    if (++barrier.arrived == barrier.members) {
      barrier.arrived = 0;
      ++barrier.generation;
      progress_ = true;
      return;
    }
    while (barrier.generation == generation) Yield();
  }
  void WaitForBlock() { Wait(all_); }
  void WaitForWarp() { Wait(warps_[thread_ / kWarp].barrier); }
  void Shuffle(void* value, size_t bytes, unsigned source) {
    Warp& warp = warps_[thread_ / kWarp];
    const unsigned lane = thread_ % kWarp;
    auto& values = warp.values[warp.shuffles[lane]++ % 2];
    std::memcpy(values[lane], value, bytes);
    Wait(warp.barrier);
    std::memcpy(value, values[source % kWarp], bytes);
  }

 private:
  void Resume(unsigned t) {
    thread_ = t;
    running.thread = fibers_[t].index;
    if (_setjmp(scheduler_) != 0) return;
    Fiber& f = fibers_[t];
    if (f.started) _longjmp(f.where, 1);
    f.started = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = f.stack.get();
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, &Block::Main, 0);
    setcontext(&context);
  }
  void Yield() {
    Fiber& f = fibers_[thread_];
    if (_setjmp(f.where) == 0) _longjmp(scheduler_, 1);
  }
  static void Main();

  const std::function<void()>* kernel_ = nullptr;
  std::vector<std::byte> shared_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  Barrier all_;
  unsigned thread_ = 0;
  bool progress_ = false;
  jmp_buf scheduler_;
};

Block& block = *new Block;  // never destroyed: streams may outlive static objects

void Block::Main() {
  for (;;) {
    (*block.kernel_)();
    block.fibers_[block.thread_].done = true;
    block.Yield();
  }
}

}  // namespace

void RunGrid(dim3 grid, dim3 block_dim, size_t shared_bytes, const std::function<void()>& kernel) {
  static bool reversed = false;
  reversed = !reversed;
  const unsigned blocks = grid.x * grid.y * grid.z;
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned b = reversed ? blocks - 1 - i : i;
    const uint3 index = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    block.Run({{0, 0, 0}, index, block_dim, grid}, reversed, shared_bytes, kernel);
  }
}

void* SharedMemory() { return block.shared(); }
void WaitForBlock() { block.WaitForBlock(); }
void WaitForWarp() { block.WaitForWarp(); }
void Shuffle(void* value, size_t bytes, unsigned source) { block.Shuffle(value, bytes, source); }

}  // namespace mathnas::kernels::cuda::emulation
