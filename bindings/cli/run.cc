// mathnas run NETWORK --input I: a deployed network in a fresh process
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>

#include "bindings/cli/command.h"
#include "bindings/cli/data_options.h"
#include "bindings/cli/precision_option.h"
#include "bindings/cli/run_translator.h"
#include "fmt/format.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "mathnas/deploy/image_network.h"
#include "mathnas/deploy/network.h"
#include "mathnas/deploy/translator_file.h"
#include "mathnas/profile/latency.h"
#include "supernet/network_input.h"
#include "supernet/safetensors.h"

namespace mathnas::cli {
namespace {

using Clock = std::chrono::steady_clock;
const Clock::time_point kProcessStart = Clock::now();

constexpr const char* kSynthetic = "synthetic";

struct Options {
  Common common;
  DataOptions data;
  TranslationSearch search;
  PrecisionOption precision;
  std::string network, input = kSynthetic;
  int runs = 200;
  CLI::App* command = nullptr;
};

double Milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

// Pixels of one or more images, row-major NHWC.
struct Input {
  std::vector<uint8_t> pixels;
  std::vector<float> values;
};

absl::StatusOr<Input> ReadInput(const Options& o, const deploy::Network& network) {
  Input input;
  const bool takes_pixels = deploy::TakesPixels(network.description());
  if (o.input == kSynthetic) {
    kernels::Random random(o.common.seed);
    if (!takes_pixels) {
      input.values.resize(static_cast<size_t>(network.input_elements()));
      for (float& v : input.values) v = static_cast<float>(random.Normal());
      return input;
    }
    input.pixels.resize(static_cast<size_t>(network.input_elements()));
    for (uint8_t& p : input.pixels) p = static_cast<uint8_t>(random.Below(256));
    return input;
  }
  auto file = supernet::SafetensorsFile::Open(o.input);
  if (!file.ok()) return file.status();
  if (file->contains("images")) {
    if (!takes_pixels) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: tensor \"images\": {} was deployed without what normalises pixels, expected \"input\" (F32 NHWC)",
          o.input, o.network));
    }
    auto tensor = file->Get("images");
    if (tensor->desc.dtype != kernels::DType::kU8) {
      return absl::InvalidArgumentError(
          fmt::format("{}: tensor \"images\" is {}, expected U8", o.input, Name(tensor->desc.dtype)));
    }
    const auto pixels = tensor->as<uint8_t>();
    input.pixels.assign(pixels.begin(), pixels.end());
  } else if (file->contains("input")) {
    auto tensor = file->Get("input");
    if (tensor->desc.dtype != kernels::DType::kF32) {
      return absl::InvalidArgumentError(
          fmt::format("{}: tensor \"input\" is {}, expected F32", o.input, Name(tensor->desc.dtype)));
    }
    const auto values = tensor->as<float>();
    input.values.assign(values.begin(), values.end());
  } else {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected a tensor \"images\" (U8 NHWC pixels) or \"input\" (F32 NHWC, normalised)", o.input));
  }
  const auto elements = static_cast<int64_t>(std::max(input.pixels.size(), input.values.size()));
  if (elements == 0 || elements % network.input_elements() != 0) {
    return absl::InvalidArgumentError(fmt::format("{}: {} elements, expected a multiple of {}", o.input, elements,
                                                  kernels::ToString(network.input_shape())));
  }
  return input;
}

std::vector<int64_t> Largest(const std::vector<float>& output, int64_t classes) {
  std::vector<int64_t> best;
  for (size_t i = 0; i < output.size(); i += static_cast<size_t>(classes)) {
    const auto row = output.begin() + static_cast<std::ptrdiff_t>(i);
    best.push_back(std::max_element(row, row + classes) - row);
  }
  return best;
}

// How the images of a data set were brought to the network's size when it was tested; none: they have it.
absl::StatusOr<std::optional<supernet::ResolutionOptions>> Resizing(const supernet::ImageSource& images,
                                                                    const kernels::Shape& input,
                                                                    const Json& information,
                                                                    const supernet::ReadingOptions& reading) {
  const auto resizing = information.find("resizing");
  if (resizing == information.end()) return std::nullopt;
  if (!resizing->is_object() || !resizing->contains("crop") || !(*resizing)["crop"].is_number() || input.size() != 3) {
    return absl::InvalidArgumentError("information of the network: expected resizing.crop and an input of images");
  }
  supernet::ResolutionOptions options = supernet::ResolutionFor(images, input[0], input[2], reading);
  options.resizing.evaluation_crop = (*resizing)["crop"].get<double>();
  return options;
}

// The share of images that are classified right, in %.
absl::StatusOr<double> Accuracy(const supernet::ImageSourcePtr& images, deploy::Network& network,
                                const Json& information, const supernet::ReadingOptions& reading) {
  std::vector<float> output(static_cast<size_t>(network.output_elements()));
  const auto is_right = [&](int64_t label) { return Largest(output, network.output_elements())[0] == label; };
  int64_t correct = 0;
  auto resolution = Resizing(*images, network.input_shape(), information, reading);
  if (!resolution.ok()) return resolution.status();
  if (*resolution) {
    supernet::LoaderOptions loading = supernet::LoaderOptions::Evaluation(1);
    loading.threads = reading.threads;
    auto loader = supernet::BatchLoader::Create(images, loading, **resolution);
    if (!loader.ok()) return loader.status();
    while (const supernet::Batch* image = (*loader)->Next()) {
      if (auto s = network.Run(std::span<const float>(image->images.as<float>()), output); !s.ok()) return s;
      correct += is_right(image->labels.as<int64_t>()[0]);
    }
    if (auto s = (*loader)->status(); !s.ok()) return s;
  } else {
    if (!images->one_size()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: images of any size; the network was tested on images of its own size, {}, and expects such",
                      images->name(), kernels::ToString(network.input_shape())));
    }
    supernet::ImageSource::Buffer buffer;
    for (int64_t i = 0; i < images->count(); ++i) {
      auto image = images->Decode(i, buffer);
      if (!image.ok()) return image.status();
      const std::span pixels(image->pixels, static_cast<size_t>(image->height * image->width * image->channels));
      if (auto s = network.Run(pixels, output); !s.ok()) return s;
      correct += is_right(images->labels()[static_cast<size_t>(i)]);
    }
  }
  return 100.0 * static_cast<double>(correct) / static_cast<double>(images->count());
}

// InvalidArgument names an option that is given and belongs to the other kind of networks.
absl::Status CheckOptions(const Options& o, bool translates) {
  const auto wrong = [&](const char* option, const char* what) {
    return absl::InvalidArgumentError(fmt::format("{}: {} {}", option, o.network, what));
  };
  if (!translates) return o.search.given() ? wrong("--beam, --length-penalty", "translates nothing") : absl::OkStatus();
  if (o.precision.given()) return wrong("--precision", "is a translator; those compute in float32");
  if (!o.data.name.empty()) return wrong("--data", "is a translator; it takes --input alone, evaluate takes text");
  if (o.command->count("--runs") > 0) return wrong("--runs", "is a translator; --json has the time it took");
  if (o.input == kSynthetic) return wrong("--input", "is a translator, expected a file of sentences, or -");
  return absl::OkStatus();
}

absl::StatusOr<Answer> RunNetwork(Options& o) {
  if (std::filesystem::is_directory(o.network)) o.network += "/network.mathnas";
  auto file = supernet::SafetensorsFile::Open(o.network);
  if (!file.ok()) return file.status();
  // A deployed network was measured with its own number of threads; it runs with it unless told otherwise.
  if (o.common.threads == 0) o.common.threads = 1;
  const auto format = file->metadata().find("format");
  const bool translates = format != file->metadata().end() && format->second == deploy::kTranslatorFormat;
  if (auto s = CheckOptions(o, translates); !s.ok()) return s;
  if (translates) return RunTranslator(*std::move(file), o.input, o.search, o.common);
  auto description = deploy::Load(*std::move(file));
  if (!description.ok()) return description.status();
  const Json information = Json::parse(description->information);
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  if (!o.data.name.empty() && !deploy::TakesPixels(*description)) {
    return absl::InvalidArgumentError(
        fmt::format("--data: {} was deployed without what normalises pixels, expected --input alone", o.network));
  }
  if (o.precision.given()) {
    const auto precision = o.precision.GetFor(**device);
    if (!precision.ok()) return precision.status();
    description = deploy::WithPrecision(*std::move(description), *precision);
    if (!description.ok()) return kernels::Annotate(description.status(), "--precision: " + o.network);
  }
  const kernels::Precision precision = kernels::PrecisionOf(description->graph);
  auto network = deploy::Network::Create(*std::move(description), *device);
  if (!network.ok()) return network.status();
  auto input = ReadInput(o, *network);
  if (!input.ok()) return input.status();

  const int64_t classes = network->output_elements();
  const auto run = [&](const Input& in, std::vector<float>& output) {
    const auto elements = static_cast<int64_t>(std::max(in.pixels.size(), in.values.size()));
    output.resize(static_cast<size_t>(elements / network->input_elements() * classes));
    return in.values.empty() ? network->Run(std::span<const uint8_t>(in.pixels), output)
                             : network->Run(std::span<const float>(in.values), output);
  };
  std::vector<float> output;
  if (auto s = run(*input, output); !s.ok()) return s;
  const double first_ms = Milliseconds(kProcessStart);

  Input one = *input;
  if (!one.pixels.empty()) one.pixels.resize(static_cast<size_t>(network->input_elements()));
  if (!one.values.empty()) one.values.resize(static_cast<size_t>(network->input_elements()));
  std::vector<double> samples;
  std::vector<float> ignored;
  for (int i = 0; i < o.runs; ++i) {
    const Clock::time_point start = Clock::now();
    if (auto s = run(one, ignored); !s.ok()) return s;
    samples.push_back(Milliseconds(start));
  }
  Answer answer;
  answer.json = {{"network", o.network},
                 {"output",
                  {{"shape", {static_cast<int64_t>(output.size()) / classes, classes}},
                   {"data", std::vector<double>(output.begin(), output.end())}}},
                 {"classes", Largest(output, classes)},
                 {"precision", kernels::Name(precision)},
                 {"first_inference_ms", first_ms}};
  answer.text = fmt::format("{}: class {} of the first image; first inference {:.1f} ms after the program began\n",
                            o.network, Largest(output, classes)[0], first_ms);
  if (!samples.empty()) {
    auto stats = profile::Summarise(samples);
    if (!stats.ok()) return stats.status();
    answer.json["latency"] = {{"median_ms", stats->median_ms}, {"low_ms", stats->low_ms},
                              {"high_ms", stats->high_ms},     {"runs", stats->rounds},
                              {"threads", o.common.threads},   {"batch", 1}};
    answer.text += fmt::format("latency, batch 1, {} threads: median {:.3f} ms, quartiles {:.3f} to {:.3f}, {} runs\n",
                               o.common.threads, stats->median_ms, stats->low_ms, stats->high_ms, stats->rounds);
    for (const Json& limit : information.value("limits", Json::array())) {
      if (limit.value("metric", "") != "latency" || limit.value("op", "") != "<=") continue;
      const bool within = stats->median_ms <= limit["value"].get<double>();
      answer.json["within_budget"] = within;
      answer.text += fmt::format("budget {:.3f} ms: {}\n", limit["value"].get<double>(), within ? "met" : "NOT met");
    }
  }
  if (!o.data.name.empty()) {
    auto data = o.data.Load();
    if (!data.ok()) return data.status();
    const auto accuracy = Accuracy(data->test, *network, information, o.data.Reading(o.common));
    if (!accuracy.ok()) return accuracy.status();
    answer.json["accuracy"] = *accuracy;
    answer.text +=
        fmt::format("accuracy on the {} test images of {}: {:.2f} %\n", data->test->count(), o.data.name, *accuracy);
    o.data.Report(answer);
  }
  answer.json["information"] = information;
  return answer;
}

}  // namespace

void AddRun(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "run", "Runs a deployed network", "mathnas run found/network.mathnas --input images.safetensors",
                 o.common, [] { return RunNetwork(o); });
  o.command = command;
  command->add_option("network", o.network, "A file of search-network or deploy, or the folder of search-network")
      ->required();
  command
      ->add_option(
          "--input", o.input,
          "A safetensors file with \"images\" (U8 NHWC) or \"input\" (F32 NHWC), or synthetic; of a translator "
          "a text file, a sentence a line, or - for standard input")
      ->capture_default_str();
  o.data.AddTo(command, "Also the accuracy on the test images of this data set");
  o.precision.AddTo(command, "What the network computes in, the file's own if not given");
  o.search.AddTo(command, "the file's");
  command->add_option("--runs", o.runs, "Runs to measure the latency with")
      ->capture_default_str()
      ->check(CLI::Range(0, 10000000));
}

}  // namespace mathnas::cli
