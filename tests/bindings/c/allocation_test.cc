// Setting up and running a context allocates nothing but what oneDNN does inside of its primitives; a failing handle,
// whose text is made, does.
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "mathnas.h"
#include "tests/kernels/allocation_counter.h"

using mathnas::kernels::testing::Allocations;
using mathnas::kernels::testing::CountAllocations;

static void OneByOne(void*, int64_t count, mathnas_task task, void* argument) {
  for (int64_t i = 0; i < count; ++i) task(argument, i);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  constexpr int kBatch = 3;
  for (const auto& [threads, parallel_for] :
       {std::pair<int, mathnas_parallel_for>{1, nullptr}, {2, OneByOne}, {2, nullptr}}) {
    mathnas_model_options options;
    mathnas_model_options_init(&options, sizeof(options));
    options.threads = threads;
    options.parallel_for = parallel_for;
    mathnas_plan_options plan_options;
    mathnas_plan_options_init(&plan_options, sizeof(plan_options));
    plan_options.batch = kBatch;
    mathnas_model model = nullptr;
    mathnas_plan plan = nullptr;
    mathnas_context context = nullptr;
    if (mathnas_model_open((std::string(argv[1]) + "/network.mathnas").c_str(), &options, &model) != MATHNAS_OK ||
        mathnas_plan_create(model, &plan_options, &plan) != MATHNAS_OK ||
        mathnas_context_create(plan, nullptr, &context) != MATHNAS_OK) {
      std::fprintf(stderr, "%s\n", mathnas_last_error());
      return 1;
    }
    static unsigned char pixels[kBatch * 8 * 8 * 3];
    float logits[kBatch * 10];
    mathnas_bindings bindings;
    mathnas_bindings_init(&bindings, sizeof(bindings));
    bindings.input_type = MATHNAS_U8;
    bindings.input = pixels;
    bindings.input_bytes = sizeof(pixels);
    bindings.output = logits;
    bindings.output_bytes = sizeof(logits);
    int failed = 0;
    const auto run = [&] {
      failed += mathnas_context_setup(context, &bindings) != MATHNAS_OK;
      failed += mathnas_context_run(context) != MATHNAS_OK;
    };
    run();  // threads start, and oneDNN makes what it keeps
    const Allocations before = CountAllocations();
    for (int i = 0; i < 100; ++i) run();
    const Allocations after = CountAllocations();
    std::printf("%d threads%s: %d allocations of the library, %d of oneDNN, in 100 runs\n", threads,
                parallel_for == nullptr ? "" : " of the caller", static_cast<int>(after.own - before.own),
                static_cast<int>(after.library - before.library));
    if (failed != 0 || after.own != before.own || after.live != before.live) return 1;
    mathnas_context_run(nullptr);
    if (CountAllocations().own == after.own) return 1;  // they are counted at all
    mathnas_context_destroy(context);
    mathnas_plan_destroy(plan);
    mathnas_model_destroy(model);
  }
}
