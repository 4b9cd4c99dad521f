// mathnas.Translator: deployed translation networks.
#include "mathnas/deploy/translator.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/status.h"
#include "fmt/format.h"

namespace mathnas::python {
namespace {

using deploy::Translation;

// Threads may share one: they wait for each other.
class Translator {
 public:
  explicit Translator(deploy::Translator translator) : translator_(std::move(translator)) {}

  std::vector<Translation> Translate(const std::vector<std::string>& sentences, std::optional<int> beam,
                                     std::optional<double> length_penalty) {
    supernet::SearchOptions options = translator_.search();
    if (beam) options.beam = *beam;
    if (length_penalty) options.length_penalty = *length_penalty;
    std::atomic<bool> cancel = false;
    options.cancel = &cancel;
    return Take(Interruptibly(cancel, [&] {
      const std::lock_guard lock(mutex_);
      return translator_.Translate(sentences, options);
    }));
  }

  const deploy::DeployedTranslator& description() const { return translator_.description(); }

 private:
  deploy::Translator translator_;
  std::mutex mutex_;
};

Translator* LoadTranslator(const std::filesystem::path& path, int threads, const std::string& device) {
  return new Translator(Take(deploy::Translator::Load(ExistingFile(path), Take(OpenDevice(device, threads)))));
}

}  // namespace

void AddTranslator(nb::module_& m) {
  nb::class_<Translation>(m, "Translation", "A translated sentence.")
      .def_ro("text", &Translation::text)
      .def_ro("score", &Translation::score, "The log probability, by the length penalty.")
      .def_ro("unknown", &Translation::unknown, "Parts of the source that the vocabulary does not have.")
      .def("__repr__", [](const Translation& t) { return fmt::format("<mathnas.Translation '{}'>", t.text); });

  nb::class_<Translator>(m, "Translator", "A deployed translation network (translator.mathnas).")
      .def_static("load", &LoadTranslator, "path"_a, nb::kw_only(), "threads"_a = 1, "device"_a = "cpu",
                  nb::rv_policy::take_ownership)
      .def("translate", &Translator::Translate, "sentences"_a, nb::kw_only(), "beam"_a = nb::none(),
           "length_penalty"_a = nb::none(),
           "A translation of each sentence, in their order. beam, length_penalty: as the file says unless given. "
           "ValueError names the sentence that is empty, too long or no text. Ctrl-C ends it. Releases the GIL.")
      .def_prop_ro(
          "information", [](const Translator& t) { return FromJson(t.description().information); },
          nb::sig("def information(self) -> dict[str, typing.Any]"));
}

}  // namespace mathnas::python
