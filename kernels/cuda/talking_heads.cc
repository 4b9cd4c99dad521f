// NASViT's attention by own kernels, float32: products tile by tile, as attention has them, with maps of all heads of
// some images at a time in scratch, since heads are mixed before and after the softmax.
#include "kernels/ops/talking_heads.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/cuda/carver.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/launches.h"
#include "kernels/cuda/own/talking_heads.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

// Of maps, unless those of one image are larger: they stay in the L2 cache from one kernel to the next.
constexpr int64_t kScratchBytes = int64_t{16} << 20;
constexpr int64_t kForwardMaps = 2, kBackwardMaps = 4;

int64_t MapElements(const TalkingHeadsShape& a) { return a.heads * a.pixels() * a.pixels(); }

int64_t ImagesAtATime(const TalkingHeadsShape& a, int64_t maps) {
  const int64_t image_bytes = maps * MapElements(a) * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kScratchBytes / image_bytes, 1, a.images);
}

AttentionArgs AttentionOf(const TalkingHeadsShape& a, const Operands& o) {
  AttentionArgs args = {};
  args.heads = a.heads;
  args.queries = args.keys = a.pixels();
  args.key_size = a.key_size();
  args.value_size = a.value_size();
  args.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(a.key_size())));
  args.q = o.in<float>(0);
  args.k = o.in<float>(1);
  args.v = o.in<float>(2);
  return args;
}

// The steps of the formulas for some images.
class Steps {
 public:
  Steps(Queue& queue, const TalkingHeadsShape& a, const Operands& o, int64_t first, int64_t images)
      : launches(queue), a_(a), o_(o), images_(images), attention_(AttentionOf(a, o)) {
    attention_.first_head = first * a.heads;
  }

  void Scores(float* scores) {
    AttentionArgs args = attention_;
    args.p = scores;
    launches.Tiles(kPositionedScores, heads(), a_.pixels(), a_.pixels(),
                   PositionedScoresArgs{args, o_.in<float>(3), a_.width, a_.window});
  }
  void Softmax(float* logits) {
    AttentionArgs args = attention_;
    args.p = logits;
    launches.Rows(kAttentionProbabilities, heads() * a_.pixels(), a_.pixels(), args);
  }
  // With the weights of input `weights` and the bias behind them; backwards without.
  void Mix(size_t weights, const float* x, float* y) { Mix(weights, x, y, false); }
  void MixBackward(size_t weights, const float* diff_y, float* diff_x) { Mix(weights, diff_y, diff_x, true); }
  void Values(float* mixed, float* y) {
    AttentionArgs args = attention_;
    args.p = mixed;
    args.y = y;
    launches.Tiles(kAttentionValues, heads(), a_.pixels(), a_.value_size(), args);
  }

  void DiffValues(float* mixed, const float* diff_y, float* diff_v) {
    AttentionArgs args = attention_;
    args.p = mixed;
    args.diff_y = diff_y;
    args.diff_v = diff_v;
    launches.Tiles(kAttentionDiffValues, heads(), a_.pixels(), a_.value_size(), args);
  }
  void DiffMixed(const float* diff_y, float* diff_mixed) {
    AttentionArgs args = attention_;
    args.diff_y = diff_y;
    args.diff_s = diff_mixed;
    launches.Tiles(kDiffMixed, heads(), a_.pixels(), a_.pixels(), args);
  }
  void SoftmaxBackward(const float* p, float* diff) {
    launches.Rows(kSoftmaxBackward, heads() * a_.pixels(), a_.pixels(), SoftmaxBackwardArgs{diff, p, a_.pixels()});
  }
  void DiffQueriesAndKeys(float* diff_scores, float* diff_q, float* diff_k) {
    AttentionArgs args = attention_;
    args.diff_s = diff_scores;
    args.diff_q = diff_q;
    args.diff_k = diff_k;
    launches.Tiles(kAttentionDiffQueries, heads(), a_.pixels(), a_.key_size(), args);
    launches.Tiles(kAttentionDiffKeys, heads(), a_.pixels(), a_.key_size(), args);
  }

  Launches launches;

 private:
  int64_t heads() const { return images_ * a_.heads; }
  void Mix(size_t weights, const float* x, float* y, bool backward) {
    const float* bias = backward ? nullptr : o_.in<float>(weights + 1);
    const int64_t elements = a_.pixels() * a_.pixels();
    launches.Tiles(kMixHeads, images_, a_.heads, elements,
                   MixHeadsArgs{x, y, o_.in<float>(weights), bias, backward, a_.heads, elements});
  }

  const TalkingHeadsShape& a_;
  const Operands& o_;
  int64_t images_;
  AttentionArgs attention_;
};

// Gradients of the matrices that mix heads, and of their biases: sums over the elements of maps, in parts of these
// first, then over the parts of some images, then over all images.
class MixGradients {
 public:
  MixGradients(const TalkingHeadsShape& a, int64_t at_a_time)
      : heads_(a.heads),
        elements_(a.pixels() * a.pixels()),
        parts_((elements_ + kPartElements - 1) / kPartElements),
        at_a_time_(at_a_time),
        times_((a.images + at_a_time - 1) / at_a_time) {}

  // {weights, bias} side by side.
  int64_t columns() const { return heads_ * (heads_ + 1); }
  // Floats: what is kept between Add and Finish, and what both work in.
  int64_t sums() const { return times_ * columns(); }
  int64_t scratch() const {
    const int64_t all_parts = at_a_time_ * parts_;
    return std::max(all_parts * columns() + ColumnSums(all_parts, columns()).scratch(),
                    columns() + ColumnSums(times_, columns()).scratch());
  }

  // Of the images of turn `time`: y = weights x.
  void Add(Launches& l, int64_t time, int64_t images, const float* diff_y, const float* x, float* scratch,
           float* sums) const {
    const int64_t all_parts = images * parts_;
    l.Tiles(kHeadProducts, all_parts, heads_, heads_ + 1,
            HeadProductsArgs{diff_y, x, scratch, heads_, elements_, parts_, kPartElements});
    l.Then([&](Queue& q) {
      return ColumnSums(all_parts, columns())
          .Run(q, scratch, DType::kF32, scratch + all_parts * columns(), sums + time * columns());
    });
  }
  absl::Status Finish(Queue& q, const float* sums, float* scratch, float* diff_weights, float* diff_bias) const {
    const absl::Status summed = ColumnSums(times_, columns()).Run(q, sums, DType::kF32, scratch + columns(), scratch);
    if (!summed.ok()) return summed;
    const size_t row = static_cast<size_t>(heads_) * sizeof(float), both = row + sizeof(float);
    const auto rows = static_cast<size_t>(heads_);
    if (auto s = q.CopyRows(diff_weights, row, scratch, both, row, rows); !s.ok()) return s;
    return q.CopyRows(diff_bias, sizeof(float), scratch + heads_, both, sizeof(float), rows);
  }

 private:
  static constexpr int64_t kPartElements = 4096;
  int64_t heads_, elements_, parts_, at_a_time_, times_;
};

struct BackwardScratch {
  float *scores, *p, *diffs, *others;  // maps
  float* image_sums;                   // of one image: the sums of a map over images
  float *before, *after;               // sums of MixGradients
  float* sums_scratch;                 // of both and of image_sums
  size_t bytes;

  BackwardScratch(const TalkingHeadsShape& a, const MixGradients& mix, int64_t images, void* memory) {
    Carver carver(memory);
    const int64_t map = MapElements(a);
    for (float** m : {&scores, &p, &diffs, &others}) *m = carver.Take<float>(images * map);
    image_sums = carver.Take<float>(map);
    before = carver.Take<float>(mix.sums());
    after = carver.Take<float>(mix.sums());
    sums_scratch = carver.Take<float>(std::max(mix.scratch(), ColumnSums(images, map).scratch()));
    bytes = carver.bytes();
  }
};

absl::Status RunBackward(Queue& q, const TalkingHeadsShape& a, int64_t at_a_time, const Operands& o) {
  const MixGradients mix(a, at_a_time);
  const BackwardScratch s(a, mix, at_a_time, o.scratch);
  const float* diff_y = o.in<float>(8);
  for (int64_t first = 0; first < a.images; first += at_a_time) {
    const int64_t images = std::min(at_a_time, a.images - first), time = first / at_a_time;
    Steps steps(q, a, o, first, images);
    Launches& l = steps.launches;
    steps.Scores(s.scores);
    steps.Mix(4, s.scores, s.p);
    steps.Softmax(s.p);
    steps.Mix(6, s.p, s.others);  // y = mixed v
    steps.DiffValues(s.others, diff_y, o.out<float>(2));
    steps.DiffMixed(diff_y, s.diffs);  // mixed = after p
    mix.Add(l, time, images, s.diffs, s.p, s.sums_scratch, s.after);
    steps.MixBackward(6, s.diffs, s.others);  // p = softmax(logits)
    steps.SoftmaxBackward(s.p, s.others);     // logits = before scores
    mix.Add(l, time, images, s.others, s.scores, s.sums_scratch, s.before);
    steps.MixBackward(4, s.others, s.diffs);  // scores = q k / sqrt(size) + bias
    const float* image_sums = s.diffs;
    if (images > 1) {
      image_sums = s.image_sums;
      l.Then([&](Queue& queue) {
        return ColumnSums(images, MapElements(a)).Run(queue, s.diffs, DType::kF32, s.sums_scratch, s.image_sums);
      });
    }
    const int64_t side = 2 * a.window - 1;
    l.Elements(kPositionSums, side * side * a.heads,
               PositionSumsArgs{image_sums, o.out<float>(3), a.heads, a.height, a.width, a.window, first > 0});
    steps.DiffQueriesAndKeys(s.diffs, o.out<float>(0), o.out<float>(1));
    if (!l.status().ok()) return l.status();
  }
  if (auto status = mix.Finish(q, s.before, s.sums_scratch, o.out<float>(4), o.out<float>(5)); !status.ok()) {
    return status;
  }
  return mix.Finish(q, s.after, s.sums_scratch, o.out<float>(6), o.out<float>(7));
}

}  // namespace

KernelOr Make(const TalkingHeads& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const TalkingHeadsShape a(op.window, r.inputs);
  const int64_t at_a_time = ImagesAtATime(a, kForwardMaps), map = at_a_time * MapElements(a);
  Carver scratch(nullptr);
  for (int64_t m = 0; m < kForwardMaps; ++m) scratch.Take<float>(map);
  return MakeEnqueued("own:attention", scratch.bytes(), [a, at_a_time, map](Queue& q, const Operands& o) {
    Carver carver(o.scratch);
    float *scores = carver.Take<float>(map), *p = carver.Take<float>(map);
    for (int64_t first = 0; first < a.images; first += at_a_time) {
      Steps steps(q, a, o, first, std::min(at_a_time, a.images - first));
      steps.Scores(scores);
      steps.Mix(4, scores, p);
      steps.Softmax(p);
      steps.Mix(6, p, scores);
      steps.Values(scores, o.out<float>(0));
      if (!steps.launches.status().ok()) return steps.launches.status();
    }
    return absl::OkStatus();
  });
}

KernelOr Make(const TalkingHeadsBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const TalkingHeadsShape a(op.window, r.inputs);
  const int64_t at_a_time = ImagesAtATime(a, kBackwardMaps);
  const size_t scratch_bytes = BackwardScratch(a, MixGradients(a, at_a_time), at_a_time, nullptr).bytes;
  return MakeEnqueued("own:attention", scratch_bytes,
                      [a, at_a_time](Queue& q, const Operands& o) { return RunBackward(q, a, at_a_time, o); });
}

}  // namespace mathnas::kernels::cuda
