// A sequence of the training golden file: what its tables say of gradients and values (spec/training-golden.md 1 and
// 6).
#ifndef MATHNAS_TESTS_SUPERNET_TRAINING_GOLDEN_H_
#define MATHNAS_TESTS_SUPERNET_TRAINING_GOLDEN_H_

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "supernet/training/step.h"
#include "tests/supernet/golden.h"

namespace mathnas::supernet {

class GoldenSequence {
 protected:
  GoldenSequence(const nlohmann::json& sequence, std::shared_ptr<kernels::Device> device, bool adam)
      : sequence_(sequence), device_(std::move(device)), exact_(device_->real() == kernels::DType::kF64), adam_(adam) {}
  virtual ~GoldenSequence() = default;

  // What the space calls a tensor of the file.
  virtual std::string OwnName(const std::string& name) const { return name; }

  static std::set<std::string> NamesIn(const nlohmann::json& golden, const char* list) {
    return golden.contains(list) ? golden[list].get<std::set<std::string>>() : std::set<std::string>();
  }

  // The relative bound of this step's tensors.
  double Bound(const nlohmann::json& golden) const {
    return exact_ ? 1e-9 : std::max(10 * golden["fp32"]["grad_rel_max"].get<double>(), 1e-4);
  }

  void CheckParameters() {
    for (size_t p = 0; p < sequence_["params"].size(); ++p) {
      const std::string name = sequence_["params"][p];
      const kernels::Tensor* t = weights_.Find(OwnName(name));
      ASSERT_NE(t, nullptr) << name;
      EXPECT_EQ(t->desc().elements(), sequence_["numel"][p].get<int64_t>()) << name;
    }
  }

  static void CheckTensor(const nlohmann::json& golden, const std::vector<double>& values, const std::string& name,
                          double bound) {
    const double l2 = golden[1];
    const double spread = bound * l2 * std::sqrt(static_cast<double>(values.size())) + 1e-12;
    EXPECT_NEAR(L2(values), l2, bound * l2 + 1e-12) << name;
    EXPECT_NEAR(Sum(values), golden[0].get<double>(), spread) << name;
    EXPECT_NEAR(Dot(values, name), golden[2].get<double>(), spread) << name;
  }

  // The names of a table of gradients and of the list of those in it that are rounding noise.
  struct Table {
    const char *gradients, *noise;
  };

  // `scale` times the gradients are those of the file.
  void CheckGradients(const nlohmann::json& golden, const Table& table, const kernels::TensorMap& gradients,
                      const std::set<std::string>& touched, double scale = 1) {
    const std::set<std::string> noise = NamesIn(golden, table.noise);
    double squares = 0;
    for (const nlohmann::json& g : golden[table.gradients]) {
      squares += g.is_null() ? 0 : std::pow(g[1].get<double>(), 2);
    }
    for (size_t p = 0; p < sequence_["params"].size(); ++p) {
      const std::string name = sequence_["params"][p];
      const nlohmann::json& expected = golden[table.gradients][p];
      EXPECT_EQ(touched.contains(OwnName(name)), !expected.is_null()) << name;
      if (expected.is_null()) continue;
      const kernels::Tensor* gradient = gradients.Find(kernels::GradientName(OwnName(name)));
      ASSERT_NE(gradient, nullptr) << name;
      std::vector<double> values = ToDoubles(gradient->view());
      for (double& v : values) v *= scale;
      if (noise.contains(name)) {
        EXPECT_LE(L2(values), 1e-6 * std::sqrt(squares)) << name;
        continue;
      }
      CheckTensor(expected, values, name, Bound(golden));
      if (table.gradients == std::string_view("grad")) CheckFirst(golden, name, "grad", values, Bound(golden));
    }
  }

  void CheckFirst(const nlohmann::json& golden, const std::string& name, const char* kind,
                  const std::vector<double>& values, double bound) {
    if (!golden["chosen"].contains(name) || golden["chosen"][name][kind].is_null()) return;
    const double l2 = L2(values);
    const nlohmann::json& first = golden["chosen"][name][kind];
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_NEAR(values[i], first[i].get<double>(), bound * l2 + 1e-12) << name << " " << kind << "[" << i << "]";
    }
  }

  // After steps of Adam, an entry whose gradient is noise moves by up to the learning rate either way: in float32 norms
  // alone are compared, and those of tensors of noise not at all.
  void CheckValues(const nlohmann::json& golden) {
    const std::set<std::string> noise = NamesIn(golden, "zero_grad");
    for (size_t p = 0; p < sequence_["params"].size(); ++p) {
      const std::string name = sequence_["params"][p];
      const std::vector<double> values = ToDoubles(weights_.Find(OwnName(name))->view());
      if (adam_ && !exact_ && noise.contains(name)) continue;
      const double bound = !adam_ ? Bound(golden) : exact_ ? 1e-7 : 1e-3;
      CheckTensor(golden["value"][p], values, name, bound);
      if (!adam_ || exact_) CheckFirst(golden, name, "value", values, bound);
    }
  }

  const nlohmann::json& sequence_;
  std::shared_ptr<kernels::Device> device_;
  bool exact_, adam_;
  std::shared_ptr<const SearchSpace> space_;
  kernels::TensorMap weights_;
  std::unique_ptr<TrainingStep> step_;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_TESTS_SUPERNET_TRAINING_GOLDEN_H_
