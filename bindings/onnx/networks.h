// ONNX files of networks of the search spaces: of images in one file, of translators in two.
#ifndef MATHNAS_BINDINGS_ONNX_NETWORKS_H_
#define MATHNAS_BINDINGS_ONNX_NETWORKS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "bindings/onnx/export.h"
#include "kernels/tensor.h"
#include "mathnas/deploy/network_file.h"
#include "supernet/search_space.h"
#include "supernet/supertransformer/space.h"

namespace mathnas::onnx {

// kFolded: in the weights of the convolutions before them ("stem.0.folded_weight", "stem.0.folded_bias"; fold.h), as
// in deployed networks. kKept: as operators, so that every weight is the one of the state dict.
enum class BatchNorm : uint8_t { kFolded, kKept };

struct ImageOptions {
  BatchNorm batch_norm = BatchNorm::kFolded;
  int64_t batch = 0;  // 0: any
  // Pixels of a side of the input, which the file then resizes to the size of the network; 0: that size.
  int64_t image_size = 0;
  std::map<std::string, std::string> metadata = {};  // besides "space" and "subnet"
};

// Input "image"{batch,C,H,W}, values that are normalised already; output "logits"{batch,classes}. Weights are the
// network's own (supernet::ExtractWeights), statistics of its batch normalisations recalibrated by the caller. Errors:
// of ExportGraph; InvalidArgument names an option that the space does not have, or a choice that is none of it.
absl::StatusOr<Exported> ExportImageNetwork(const std::string& path, const supernet::SearchSpace& space,
                                            const supernet::Choice& choice, const kernels::TensorMap& own_weights,
                                            const ImageOptions& options = {});

// A deployed network with its names of input and output. How pixels become its input is metadata: "pixel_mean" and
// "pixel_std", JSON lists with a number for each channel; "classes" are the names of the classes, "information" what
// the network's file says. Errors: of ExportGraph and deploy::Check.
absl::StatusOr<Exported> ExportDeployedNetwork(const std::string& path, const deploy::DeployedNetwork& network,
                                               int64_t batch = 0);

struct TranslatorOptions {
  // Rows of tokens that are decoded of each source, one behind the other. More than 1 fixes it.
  int64_t beams = 1;
  std::map<std::string, std::string> metadata = {};  // besides "space", "subnet", "bos", "padding", "eos", "unknown"
};

struct ExportedTranslator {
  Exported encoder, decoder;
};

// "PATH" without ".onnx" at its end, and ".encoder.onnx" or ".decoder.onnx".
std::string EncoderPath(const std::string& path);
std::string DecoderPath(const std::string& path);

// Two files, of which the second is run token by token (supertransformer/graph.h has what they compute):
//  - EncoderPath: "source"{sources,length} int64 -> for decoder layer I "memory.keys.I", "memory.values.I"
//    {sources,m length,512}, where the layer attends to m outputs of the encoder.
//  - DecoderPath: "source" and these, "token"{rows,1}, "position"{rows,1}, "at"{1}, "held"{rows,capacity}, and
//    "cache.keys.I", "cache.values.I"{rows,kept,512} -> "logits"{rows,1,words}, "cache.keys.I.next",
//    "cache.values.I.next"{rows,capacity,512}.
// kept is the capacity, of caches that begin as zeros and keep their size; or one less, and `at` the kept, of caches
// that begin empty and grow. Errors: of ExportGraph, for a macro or choice that is none, and beams below 1.
absl::StatusOr<ExportedTranslator> ExportTranslator(const std::string& path,
                                                    const supernet::SuperTransformerMacro& macro,
                                                    const supernet::Choice& choice,
                                                    const kernels::TensorMap& own_weights,
                                                    const TranslatorOptions& options = {});

}  // namespace mathnas::onnx

#endif  // MATHNAS_BINDINGS_ONNX_NETWORKS_H_
