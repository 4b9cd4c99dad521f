// Attention with mixed heads and a bias by relative position.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// The values of the formulas for one query: [head][key] each.
template <typename T>
struct Query {
  const TalkingHeadsShape& a;
  const Operands& o;
  int64_t image, pixel;
  double *scores, *p, *mixed;

  int64_t key(int64_t head, int64_t s, int64_t d) const {
    return (image * a.pixels() + s) * a.key_channels + head * a.key_size() + d;
  }
  int64_t value(int64_t head, int64_t s, int64_t d) const {
    return (image * a.pixels() + s) * a.value_channels + head * a.value_size() + d;
  }
  int64_t table(int64_t head, int64_t s) const {
    return (a.TableRow(pixel) - s / a.width * (2 * a.window - 1) - s % a.width) * a.heads + head;
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(a.key_size())); }

  void Compute() const {
    const int64_t n = a.pixels(), heads = a.heads;
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t s = 0; s < n; ++s) {
        double sum = 0;
        for (int64_t d = 0; d < a.key_size(); ++d) {
          sum += double{o.in<T>(0)[key(h, pixel, d)]} * o.in<T>(1)[key(h, s, d)];
        }
        scores[h * n + s] = sum * scale() + o.in<T>(3)[table(h, s)];
      }
    }
    for (int64_t g = 0; g < heads; ++g) {
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t s = 0; s < n; ++s) {
        double logit = o.in<T>(5)[g];
        for (int64_t h = 0; h < heads; ++h) logit += o.in<T>(4)[g * heads + h] * scores[h * n + s];
        p[g * n + s] = logit;
        largest = std::max(largest, logit);
      }
      for (int64_t s = 0; s < n; ++s) sum += p[g * n + s] = std::exp(p[g * n + s] - largest);
      for (int64_t s = 0; s < n; ++s) p[g * n + s] /= sum;
    }
    for (int64_t g = 0; g < heads; ++g) {
      for (int64_t s = 0; s < n; ++s) {
        mixed[g * n + s] = o.in<T>(7)[g];
        for (int64_t h = 0; h < heads; ++h) mixed[g * n + s] += o.in<T>(6)[g * heads + h] * p[h * n + s];
      }
    }
  }
};

}  // namespace

KernelPtr Make(const TalkingHeads& op, const Request& request) {
  const TalkingHeadsShape a(op.window, request.inputs);
  const int64_t map = a.heads * a.pixels();
  auto run = [a, map](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* scratch = static_cast<double*>(o.scratch);
    for (int64_t i = 0; i < a.images * a.pixels(); ++i) {
      const Query<T> query = {a, o, i / a.pixels(), i % a.pixels(), scratch, scratch + map, scratch + 2 * map};
      query.Compute();
      for (int64_t g = 0; g < a.heads; ++g) {
        for (int64_t d = 0; d < a.value_size(); ++d) {
          double sum = 0;
          for (int64_t s = 0; s < a.pixels(); ++s) {
            sum += query.mixed[g * a.pixels() + s] * o.in<T>(2)[query.value(g, s, d)];
          }
          o.out<T>(0)[query.value(g, query.pixel, d)] = static_cast<T>(sum);
        }
      }
    }
  };
  return MakeKernel(request, run, 3 * map);
}

KernelPtr Make(const TalkingHeadsBackward& op, const Request& request) {
  const TalkingHeadsShape a(op.window, request.inputs);
  const int64_t map = a.heads * a.pixels();
  std::vector<int64_t> sizes;
  int64_t total = 0;
  for (const TensorDesc& d : request.outputs) {
    sizes.push_back(d.elements());
    total += d.elements();
  }
  auto run = [a, map, sizes, total](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* scratch = static_cast<double*>(o.scratch);
    double *diff_mixed = scratch + 3 * map, *diff_p = scratch + 4 * map, *diff_scores = scratch + 5 * map;
    std::array<double*, 8> diff;
    diff[0] = scratch + 6 * map;
    for (size_t i = 1; i < 8; ++i) diff[i] = diff[i - 1] + sizes[i - 1];
    std::fill_n(diff[0], total, 0.0);
    const int64_t n = a.pixels(), heads = a.heads;
    for (int64_t i = 0; i < a.images * n; ++i) {
      const Query<T> query = {a, o, i / n, i % n, scratch, scratch + map, scratch + 2 * map};
      query.Compute();
      // y = mixed v
      for (int64_t g = 0; g < heads; ++g) {
        for (int64_t s = 0; s < n; ++s) {
          diff_mixed[g * n + s] = 0;
          for (int64_t d = 0; d < a.value_size(); ++d) {
            const double diff_y = o.in<T>(8)[query.value(g, query.pixel, d)];
            diff_mixed[g * n + s] += diff_y * o.in<T>(2)[query.value(g, s, d)];
            diff[2][query.value(g, s, d)] += query.mixed[g * n + s] * diff_y;
          }
          diff[7][g] += diff_mixed[g * n + s];
          for (int64_t h = 0; h < heads; ++h) {
            diff[6][g * heads + h] += diff_mixed[g * n + s] * query.p[h * n + s];
          }
        }
      }
      // mixed = after p, p = softmax(logits)
      for (int64_t h = 0; h < heads; ++h) {
        double inner = 0;
        for (int64_t s = 0; s < n; ++s) {
          diff_p[h * n + s] = 0;
          for (int64_t g = 0; g < heads; ++g) {
            diff_p[h * n + s] += o.in<T>(6)[g * heads + h] * diff_mixed[g * n + s];
          }
          inner += diff_p[h * n + s] * query.p[h * n + s];
        }
        for (int64_t s = 0; s < n; ++s) diff_p[h * n + s] = query.p[h * n + s] * (diff_p[h * n + s] - inner);
      }
      // logits = before scores
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t s = 0; s < n; ++s) {
          diff_scores[h * n + s] = 0;
          for (int64_t g = 0; g < heads; ++g) {
            diff_scores[h * n + s] += o.in<T>(4)[g * heads + h] * diff_p[g * n + s];
            diff[4][g * heads + h] += diff_p[g * n + s] * query.scores[h * n + s];
          }
          diff[5][h] += diff_p[h * n + s];
        }
      }
      // scores = q k / sqrt(size) + bias
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t s = 0; s < n; ++s) {
          const double diff_score = diff_scores[h * n + s];
          diff[3][query.table(h, s)] += diff_score;
          for (int64_t d = 0; d < a.key_size(); ++d) {
            const int64_t at_q = query.key(h, query.pixel, d), at_k = query.key(h, s, d);
            diff[0][at_q] += diff_score * query.scale() * o.in<T>(1)[at_k];
            diff[1][at_k] += diff_score * query.scale() * o.in<T>(0)[at_q];
          }
        }
      }
    }
    for (size_t i = 0; i < 8; ++i) {
      for (int64_t k = 0; k < sizes[i]; ++k) o.out<T>(i)[k] = static_cast<T>(diff[i][k]);
    }
  };
  return MakeKernel(request, run, 6 * map + total);
}

}  // namespace mathnas::kernels::ref
