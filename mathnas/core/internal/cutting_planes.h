// Maximises a concave function that is known by its cuts: max over a box of min_t (alpha_t + g_t u). As a linear
// program over the cuts it has one row per component of u and one more, so it is solved by a dense simplex that starts
// where it ended. (Kelley 1960; the box: Marsten, Hogan and Blankenship 1975.)
#ifndef MATHNAS_CORE_INTERNAL_CUTTING_PLANES_H_
#define MATHNAS_CORE_INTERNAL_CUTTING_PLANES_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace mathnas::core::internal {

class CuttingPlanes {
 public:
  // The box must not be empty; it may change between calls of Maximise.
  std::vector<double> low, high;

  explicit CuttingPlanes(size_t dimensions) : low(dimensions), high(dimensions), k_(dimensions) {}

  size_t cuts() const { return alpha_.size(); }
  // Takes all cuts out; what memory they had is used again.
  void Clear();
  void Add(double alpha, const std::vector<double>& gradient);
  void SetAlpha(size_t cut, double alpha) { alpha_[cut] = alpha; }
  // Where the cuts allow most, and how much; at least one cut. As good as floating point makes it.
  double Maximise(std::vector<double>& u);
  // How the last maximum mixes the cuts (the dual solution): (cut, weight), weights positive, of sum 1 but for
  // rounding.
  std::vector<std::pair<size_t, double>> Mix() const;

 private:
  // Columns of the program: cuts, and for every component its upper and its lower bound.
  int HighColumn(size_t l) const { return -1 - static_cast<int>(2 * l); }
  int LowColumn(size_t l) const { return -2 - static_cast<int>(2 * l); }
  double Cost(int column) const;
  double Entry(int column, size_t row) const;
  [[gnu::cold]] bool Invert();

  size_t k_;
  std::vector<double> alpha_;
  std::vector<double> gradient_;                          // cut by cut
  std::vector<int> basis_;                                // k + 1 columns
  std::vector<double> inverse_;                           // of the basis, row-major
  int exchanges_ = 0;                                     // in the basis since the inverse was computed from it
  std::vector<double> left_, dual_, direction_, column_;  // of the steps of a Maximise
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_CUTTING_PLANES_H_
