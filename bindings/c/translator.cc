// mathnas_translator_...: deployed translation networks.
#include "mathnas/deploy/translator.h"

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "bindings/c/busy.h"
#include "bindings/c/cancel.h"
#include "bindings/c/model.h"
#include "bindings/c/status.h"
#include "bindings/c/structs.h"

namespace mathnas::c {
namespace {

struct TranslatorHandle : Object {
  static constexpr Kind kKind = Kind::kTranslator;
  static constexpr const char* kName = "translator";
  explicit TranslatorHandle(deploy::Translator t) : Object(kKind), translator(std::move(t)) {}
  deploy::Translator translator;
  std::string text;  // of the last translation
  std::atomic<bool> busy{false};
};

}  // namespace
}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else
namespace deploy = mathnas::deploy;

mathnas_status mathnas_translator_open(const char* path, const mathnas_model_options* options,
                                       mathnas_translator* translator) {
  return Call([&]() -> absl::Status {
    if (translator == nullptr) return Null("translator", "the address of a handle");
    *translator = nullptr;
    const auto name = Text(path, "path");
    if (!name.ok()) return name.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    if (known->parallel_for != nullptr) {
      return absl::InvalidArgumentError(
          "parallel_for: expected null for a translator: after every word its hypotheses go on from one another, so "
          "they "
          "cannot run apart");
    }
    auto device = OpenDevice(*known);
    if (!device.ok()) return device.status();
    auto loaded = deploy::Translator::Load(*name, *std::move(device));
    if (!loaded.ok()) return loaded.status();
    return HandOut(std::make_unique<TranslatorHandle>(*std::move(loaded)), translator);
  });
}

mathnas_status mathnas_translator_destroy(mathnas_translator translator) {
  return Call([&] { return Destroy<TranslatorHandle>(translator); });
}

mathnas_status mathnas_translator_information(mathnas_translator translator, const char** json) {
  return Call([&]() -> absl::Status {
    const Pinned<TranslatorHandle> pinned(translator);
    if (!pinned.ok()) return pinned.status();
    if (json == nullptr) return Null("json", "an address");
    *json = pinned->translator.description().information.c_str();
    return absl::OkStatus();
  });
}

mathnas_status mathnas_translator_run(mathnas_translator translator, const char* sentence, mathnas_cancel cancel,
                                      const char** text, double* score) {
  return Call([&]() -> absl::Status {
    if (text == nullptr) return Null("text", "an address");
    *text = nullptr;
    const Pinned<TranslatorHandle> pinned(translator);
    if (!pinned.ok()) return pinned.status();
    const auto source = Text(sentence, "sentence");
    if (!source.ok()) return source.status();
    const CancelFlag flag(cancel);
    if (!flag.status().ok()) return flag.status();
    const Use use(pinned->busy);
    if (!use.ok()) return use.status("translator");
    auto options = pinned->translator.search();
    options.cancel = flag.flag();
    auto found = pinned->translator.Translate(std::span(&*source, 1), options);
    if (!found.ok()) return found.status();
    pinned->text = std::move((*found)[0].text);
    *text = pinned->text.c_str();
    if (score != nullptr) *score = (*found)[0].score;
    return absl::OkStatus();
  });
}
