// Setting up and running a context allocates nothing but what oneDNN does inside of its primitives; a failing handle,
// whose text is made, does.
#include <cstdio>
#include <cstring>
#include <string>

#include "mathnas.h"
#include "tests/kernels/allocation_counter.h"

using mathnas::kernels::testing::Allocations;
using mathnas::kernels::testing::CountAllocations;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (int threads : {1, 2}) {
    mathnas_model_options options;
    mathnas_model_options_init(&options, sizeof(options));
    options.threads = threads;
    mathnas_model model = nullptr;
    mathnas_plan plan = nullptr;
    mathnas_context context = nullptr;
    if (mathnas_model_open((std::string(argv[1]) + "/network.mathnas").c_str(), &options, &model) != MATHNAS_OK ||
        mathnas_plan_create(model, nullptr, &plan) != MATHNAS_OK ||
        mathnas_context_create(plan, nullptr, &context) != MATHNAS_OK) {
      std::fprintf(stderr, "%s\n", mathnas_last_error());
      return 1;
    }
    static unsigned char pixels[8 * 8 * 3];
    float logits[10];
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
    std::printf("%d threads: %d allocations of the library, %d of oneDNN, in 100 runs\n", threads,
                static_cast<int>(after.own - before.own), static_cast<int>(after.library - before.library));
    if (failed != 0 || after.own != before.own || after.live != before.live) return 1;
    mathnas_context_run(nullptr);
    if (CountAllocations().own == after.own) return 1;  // they are counted at all
    mathnas_context_destroy(context);
    mathnas_plan_destroy(plan);
    mathnas_model_destroy(model);
  }
}
