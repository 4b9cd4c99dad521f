#include "kernels/cuda/matmul.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "fmt/format.h"
#include "kernels/cuda/gpu.h"

namespace mathnas::kernels::cuda {
namespace {

cudaDataType TypeOf(DType type) {
  return type == DType::kBf16 ? CUDA_R_16BF : type == DType::kF16 ? CUDA_R_16F : CUDA_R_32F;
}

cublasLtEpilogue_t EpilogueOf(Product::Epilogue epilogue) {
  switch (epilogue) {
    case Product::Epilogue::kNone:
      break;
    case Product::Epilogue::kBias:
      return CUBLASLT_EPILOGUE_BIAS;
    case Product::Epilogue::kRelu:
      return CUBLASLT_EPILOGUE_RELU;
    case Product::Epilogue::kBiasRelu:
      return CUBLASLT_EPILOGUE_RELU_BIAS;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

// What an address is aligned to, up to what kernels make use of: more would let the same product of other addresses be
// computed by another algorithm, with other roundings.
uint32_t AlignmentOf(const void* address) {
  constexpr uintptr_t kMost = 16;
  return uint32_t{1} << std::countr_zero(reinterpret_cast<uintptr_t>(address) | kMost);
}

}  // namespace

std::string ToString(const Product& p) {
  return fmt::format("{}{}x{}x{} of {} to {}", p.batch > 1 ? fmt::format("{} times ", p.batch) : "", p.m, p.n, p.k,
                     Name(p.type), Name(p.y_type));
}

Matmul::Matmul(Queue& queue, const Product& product, const Addresses& addresses)
    : queue_(&queue),
      product_(product),
      addresses_(addresses),
      description_(nullptr, queue.libraries().cublaslt.MatmulDescDestroy),
      a_(nullptr, queue.libraries().cublaslt.MatrixLayoutDestroy),
      b_(nullptr, queue.libraries().cublaslt.MatrixLayoutDestroy),
      y_(nullptr, queue.libraries().cublaslt.MatrixLayoutDestroy) {}

absl::StatusOr<Matmul> Matmul::Create(Queue& queue, const Product& product, const Addresses& addresses) {
  Matmul matmul(queue, product, addresses);
  if (auto s = matmul.Describe(); !s.ok()) return s;
  if (auto s = matmul.Choose(); !s.ok()) return s;
  return matmul;
}

// cuBLASLt's matrices are column-major. A row-major matrix is the transposed one of these, so what is computed is
// y^T = b^T a^T: b is its first operand, and of each what is transposed in memory here is not there.
absl::Status Matmul::Describe() {
  const Product& p = product_;
  const CublasLt& l = queue_->libraries().cublaslt;
  const bool tf32 = p.type == DType::kF32 && queue_->gpu().options().tf32;
  cublasLtMatmulDesc_t description = nullptr;
  const cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const cublasStatus_t created = l.MatmulDescCreate(&description, compute, CUDA_R_32F);
  if (auto s = Check(created, "cublasLtMatmulDescCreate"); !s.ok()) return s;
  description_.reset(description);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    return Check(l.MatmulDescSetAttribute(description, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  const int32_t first = p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, second = p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  if (auto s = set(CUBLASLT_MATMUL_DESC_TRANSA, first); !s.ok()) return s;
  if (auto s = set(CUBLASLT_MATMUL_DESC_TRANSB, second); !s.ok()) return s;
  if (p.epilogue != Product::Epilogue::kNone) {
    const auto epilogue = static_cast<uint32_t>(EpilogueOf(p.epilogue));
    if (auto s = set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue); !s.ok()) return s;
  }
  if (p.epilogue == Product::Epilogue::kBias || p.epilogue == Product::Epilogue::kBiasRelu) {
    if (auto s = set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, addresses_.bias); !s.ok()) return s;
  }

  auto b = p.transpose_b ? MakeLayout(p.type, p.n, p.k, p.b_row, p.b_batch)
                         : MakeLayout(p.type, p.k, p.n, p.b_row, p.b_batch);
  if (!b.ok()) return b.status();
  b_ = *std::move(b);
  auto a = p.transpose_a ? MakeLayout(p.type, p.k, p.m, p.a_row, p.a_batch)
                         : MakeLayout(p.type, p.m, p.k, p.a_row, p.a_batch);
  if (!a.ok()) return a.status();
  a_ = *std::move(a);
  auto y = MakeLayout(p.y_type, p.m, p.n, p.y_row, p.y_batch);
  if (!y.ok()) return y.status();
  y_ = *std::move(y);
  return absl::OkStatus();
}

// Of a row-major matrix{rows, columns}.
absl::StatusOr<Matmul::Layout> Matmul::MakeLayout(DType type, int64_t rows, int64_t columns, int64_t row,
                                                  int64_t batch_stride) const {
  const CublasLt& l = queue_->libraries().cublaslt;
  cublasLtMatrixLayout_t made = nullptr;
  const cublasStatus_t created = l.MatrixLayoutCreate(&made, TypeOf(type), static_cast<uint64_t>(columns),
                                                      static_cast<uint64_t>(rows), row == 0 ? columns : row);
  if (auto s = Check(created, "cublasLtMatrixLayoutCreate"); !s.ok()) return s;
  Layout layout(made, l.MatrixLayoutDestroy);
  if (product_.batch == 1) return layout;
  const auto batch = static_cast<int32_t>(product_.batch);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, const auto& value) {
    return Check(l.MatrixLayoutSetAttribute(made, attribute, &value, sizeof(value)),
                 "cublasLtMatrixLayoutSetAttribute");
  };
  if (auto s = set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batch); !s.ok()) return s;
  if (auto s = set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, batch_stride); !s.ok()) return s;
  return layout;
}

absl::Status Matmul::Choose() {
  const CublasLt& l = queue_->libraries().cublaslt;
  cublasLtMatmulPreference_t made = nullptr;
  const cublasStatus_t created = l.MatmulPreferenceCreate(&made);
  if (auto s = Check(created, "cublasLtMatmulPreferenceCreate"); !s.ok()) return s;
  const Owned<std::remove_pointer_t<cublasLtMatmulPreference_t>> preference(made, l.MatmulPreferenceDestroy);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    return Check(l.MatmulPreferenceSetAttribute(made, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  if (auto s = set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes}); !s.ok()) return s;
  // Parts of a sum that blocks have computed are added up in float32, also where y is not.
  constexpr auto kReductions =
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE) | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (auto s = set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReductions); !s.ok()) return s;
  const std::pair<cublasLtMatmulPreferenceAttributes_t, const void*> addresses[] = {
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, addresses_.b},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, addresses_.a},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, addresses_.y},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, addresses_.y}};
  for (const auto& [attribute, address] : addresses) {
    if (auto s = set(attribute, AlignmentOf(address)); !s.ok()) return s;
  }

  cublasLtMatmulHeuristicResult_t result = {};
  int found = 0;
  const cublasStatus_t status = l.MatmulAlgoGetHeuristic(queue_->cublaslt(), description_.get(), b_.get(), a_.get(),
                                                         y_.get(), y_.get(), preference.get(), 1, &result, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) {
    return absl::UnimplementedError(fmt::format("cuBLASLt has no algorithm for a product {}", ToString(product_)));
  }
  if (auto s = Check(status, "cublasLtMatmulAlgoGetHeuristic"); !s.ok()) return s;
  algorithm_ = result.algo;
  return absl::OkStatus();
}

absl::Status Matmul::Run() const {
  const CublasLt& l = queue_->libraries().cublaslt;
  const cublasStatus_t status =
      l.Matmul(queue_->cublaslt(), description_.get(), &product_.alpha, addresses_.b, b_.get(), addresses_.a, a_.get(),
               &product_.beta, addresses_.y, y_.get(), addresses_.y, y_.get(), &algorithm_, addresses_.workspace,
               kWorkspaceBytes, queue_->stream());
  return Check(status, "cublasLtMatmul");
}

absl::Status Matmul::Check(cublasStatus_t status, std::string_view call) const {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  return ToStatus(queue_->libraries().cublaslt, status, fmt::format("{} of {}", call, ToString(product_)));
}

}  // namespace mathnas::kernels::cuda
