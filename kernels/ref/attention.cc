// Scaled dot-product attention.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/random.h"
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// What an attention is to do with its scores and probabilities.
struct Rules {
  bool causal, masked;
  int64_t padding;
  double rate;
  const int64_t* ids;
  DropoutMask drops;

  template <typename Op>
  Rules(const Op& op, const AttentionShape& a, const Operands& o)
      : causal(op.causal),
        masked(op.masked),
        padding(op.padding),
        rate(op.rate),
        ids(op.masked ? o.in<int64_t>(3) : nullptr),
        drops(op.rate > 0 ? static_cast<uint64_t>(o.in<int64_t>(a.seed_input)[0]) : 0, op.stream, op.rate) {}
};

// One query of one head.
struct Query {
  const AttentionShape& a;
  const Rules& rules;
  int64_t b, h, t;

  int64_t key(int64_t s, int64_t d) const { return (b * a.keys + s) * a.key_features + h * a.key_size() + d; }
  int64_t value(int64_t s, int64_t d) const { return (b * a.keys + s) * a.value_features + h * a.value_size() + d; }
  int64_t query(int64_t d) const { return (b * a.queries + t) * a.key_features + h * a.key_size() + d; }
  int64_t result(int64_t d) const { return (b * a.queries + t) * a.value_features + h * a.value_size() + d; }
  int64_t log_sum() const { return (b * a.heads + h) * a.queries + t; }

  bool Sees(int64_t s) const {
    if (rules.causal && s > t + a.keys - a.queries) return false;
    return !rules.masked || rules.ids[b * a.ids + s % a.ids] != rules.padding;
  }
  // What a probability is multiplied by: 0 where it is dropped.
  double Kept(int64_t s) const {
    if (rules.rate == 0) return 1;
    return rules.drops.Drops(static_cast<uint32_t>(log_sum() * a.keys + s)) ? 0 : 1 / (1 - rules.rate);
  }
  // q k^T / sqrt(size); -infinity where the key takes no part.
  template <typename T>
  double Score(const T* q, const T* k, int64_t s) const {
    if (!Sees(s)) return -std::numeric_limits<double>::infinity();
    double sum = 0;
    for (int64_t d = 0; d < a.key_size(); ++d) sum += double{q[query(d)]} * k[key(s, d)];
    return sum / std::sqrt(static_cast<double>(a.key_size()));
  }
};

template <typename Body>
void ForEachQuery(const AttentionShape& a, const Rules& rules, const Body& body) {
  for (int64_t b = 0; b < a.batch; ++b) {
    for (int64_t h = 0; h < a.heads; ++h) {
      for (int64_t t = 0; t < a.queries; ++t) body(Query{a, rules, b, h, t});
    }
  }
}

}  // namespace

KernelPtr Make(const Attention& op, const Request& request) {
  const AttentionShape a(op, request.inputs);
  auto run = [a, op](auto zero, const Operands& o) {
    using T = decltype(zero);
    const Rules rules(op, a, o);
    double* p = static_cast<double*>(o.scratch);
    ForEachQuery(a, rules, [&](const Query& query) {
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t s = 0; s < a.keys; ++s) {
        p[s] = query.Score(o.in<T>(0), o.in<T>(1), s);
        largest = std::max(largest, p[s]);
      }
      const bool none = std::isinf(largest) && largest < 0;
      for (int64_t s = 0; s < a.keys; ++s) {
        p[s] = none ? 0 : std::exp(p[s] - largest);
        sum += p[s];
      }
      for (int64_t d = 0; d < a.value_size(); ++d) {
        double y = 0;
        for (int64_t s = 0; s < a.keys; ++s) {
          if (query.Sees(s)) y += p[s] * query.Kept(s) * o.in<T>(2)[query.value(s, d)];
        }
        o.out<T>(0)[query.result(d)] = static_cast<T>(none ? 0 : y / sum);
      }
      o.out<T>(1)[query.log_sum()] = static_cast<T>(none ? largest : largest + std::log(sum));
    });
  };
  return MakeKernel(request, run, a.keys);
}

// With p the probabilities and m what dropout multiplies them by: diff_v = (m p)^T diff_y, diff_p = m diff_y v^T,
// diff_s = p (diff_p - sum diff_y y), diff_q = diff_s k / sqrt(size), diff_k = diff_s^T q / sqrt(size).
KernelPtr Make(const AttentionBackward& op, const Request& request) {
  const AttentionShape a(op, request.inputs);
  const int64_t keys = a.batch * a.keys;
  auto run = [a, op, keys](auto zero, const Operands& o) {
    using T = decltype(zero);
    const Rules rules(op, a, o);
    const size_t first = a.result_input;
    const T *q = o.in<T>(0), *k = o.in<T>(1), *v = o.in<T>(2), *y = o.in<T>(first), *log_sums = o.in<T>(first + 1),
            *diff_y = o.in<T>(first + 2);
    double *diff_k = static_cast<double*>(o.scratch), *diff_v = diff_k + keys * a.key_features;
    double* diff_q = diff_v + keys * a.value_features;
    std::fill_n(diff_k, keys * (a.key_features + a.value_features), 0.0);
    const double scale = 1 / std::sqrt(static_cast<double>(a.key_size()));
    ForEachQuery(a, rules, [&](const Query& query) {
      double inner = 0;
      for (int64_t d = 0; d < a.value_size(); ++d) inner += double{diff_y[query.result(d)]} * y[query.result(d)];
      std::fill_n(diff_q, a.key_size(), 0.0);
      for (int64_t s = 0; s < a.keys; ++s) {
        if (!query.Sees(s)) continue;
        const double p = std::exp(query.Score(q, k, s) - log_sums[query.log_sum()]), kept = query.Kept(s);
        double diff_p = 0;
        for (int64_t d = 0; d < a.value_size(); ++d) {
          diff_p += kept * diff_y[query.result(d)] * v[query.value(s, d)];
          diff_v[query.value(s, d)] += kept * p * diff_y[query.result(d)];
        }
        const double diff_s = p * (diff_p - inner) * scale;
        for (int64_t d = 0; d < a.key_size(); ++d) {
          diff_q[d] += diff_s * k[query.key(s, d)];
          diff_k[query.key(s, d)] += diff_s * q[query.query(d)];
        }
      }
      for (int64_t d = 0; d < a.key_size(); ++d) o.out<T>(0)[query.query(d)] = static_cast<T>(diff_q[d]);
    });
    for (int64_t i = 0; i < keys * a.key_features; ++i) o.out<T>(1)[i] = static_cast<T>(diff_k[i]);
    for (int64_t i = 0; i < keys * a.value_features; ++i) o.out<T>(2)[i] = static_cast<T>(diff_v[i]);
  };
  return MakeKernel(request, run, keys * (a.key_features + a.value_features) + a.key_size());
}

}  // namespace mathnas::kernels::ref
