// What a node of a graph runs: a deployed network, a network of a supernet, or a supernet that serves within a budget.
// All of it through the C interface (bindings/c).
#ifndef MATHNAS_BINDINGS_ONNXRUNTIME_NODE_H_
#define MATHNAS_BINDINGS_ONNXRUNTIME_NODE_H_

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas.h"

namespace mathnas::onnxruntime {

// Of a node of the graph, as README.md has them. Empty texts: not given.
struct Attributes {
  std::string file, subnet, table, budget, objective, estimator, blocks, statistics, calibration, follow;
  std::string layout = "NCHW";
  int64_t threads = 1, lanes = 1, batch = 1, prepared = 8, image_side = 0, wait = 1;
};

// Ends a handle of the C interface with its owner.
template <typename H, mathnas_status (*kDestroy)(H)>
class Handle {
 public:
  Handle() = default;
  ~Handle() { kDestroy(handle_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  H get() const { return handle_; }
  H* out() { return &handle_; }

 private:
  H handle_ = nullptr;
};

// Thread-safe.
class Node {
 public:
  // Opens and prepares. InvalidArgument names the attribute and what was expected; otherwise errors of the C interface,
  // after the name of the file.
  static absl::StatusOr<std::unique_ptr<Node>> Open(const Attributes& attributes);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Of an image as the graph has it, {C,H,W} or {H,W,C}, and of a row of the output.
  const std::vector<int64_t>& image() const { return image_; }
  const std::vector<int64_t>& row() const { return row_; }

  // Limits from now on, separated by ';'. Those that are in force already cost nothing. InvalidArgument: no limits, or
  // a node that has no budget; FailedPrecondition: no network keeps them, and what serves goes on.
  absl::Status SetBudget(const std::string& budget);
  // {count, image} to {count, row}; `choice` becomes a candidate number for each node of the search space, of the
  // subnet that has answered: empty if there is one only.
  absl::Status Run(const float* images, int64_t count, float* output, std::vector<int64_t>& choice);

 private:
  struct Lane;  // a context for so many images

  explicit Node(const Attributes& attributes);
  absl::Status OpenNetwork();
  absl::Status OpenServer();
  absl::Status Describe(const mathnas_tensor& input, const mathnas_tensor& output);
  absl::StatusOr<std::unique_ptr<Lane>> TakeLane(int64_t count);
  void GiveLane(std::unique_ptr<Lane> lane);
  absl::Status RunNetwork(const float* images, int64_t count, float* output);
  absl::Status RunServer(const float* images, int64_t count, float* output, std::vector<int64_t>& choice);
  // {count, C, H, W} to {count, H, W, C}.
  void ChannelsLast(const float* from, int64_t count, float* to) const;
  bool channels_first() const { return pixels_ > 0; }
  size_t image_elements() const;
  size_t row_elements() const;

  const Attributes attributes_;
  std::string subnet_;  // of the attribute, or what its file had
  Handle<mathnas_model, mathnas_model_destroy> model_;
  Handle<mathnas_server, mathnas_server_destroy> server_;  // null: one network
  std::vector<int64_t> image_, row_;
  int64_t pixels_ = 0, channels_ = 0;  // of an image whose channels come first, else 0

  std::mutex budget_mutex_;
  std::string budget_;

  std::mutex lanes_mutex_;
  std::list<std::unique_ptr<Lane>> lanes_;  // that nobody uses; used last first
};

}  // namespace mathnas::onnxruntime

#endif  // MATHNAS_BINDINGS_ONNXRUNTIME_NODE_H_
