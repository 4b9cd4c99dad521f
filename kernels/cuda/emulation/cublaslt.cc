// The entry points of cuBLASLt: matrix products by loops over columns, and refusals of what the library refuses.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/cuda/emulation/emulation.h"

struct cublasLtContext {};

namespace {

constexpr size_t kWorkspaceBytes = 1024;  // of every algorithm, so that one has to be given

struct Description {
  cublasComputeType_t compute;
  cudaDataType_t scale_type;
  int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};

// Column-major.
struct Layout {
  cudaDataType type;
  int64_t rows, columns, column_stride;
  int32_t batch = 1;
  int64_t batch_stride = 0;

  bool operator==(const Layout&) const = default;
  bool valid() const { return rows > 0 && columns > 0 && column_stride >= rows && batch > 0; }
};

struct Preference {
  uint64_t workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of a, b, c, d
};

const Description& Of(cublasLtMatmulDesc_t d) { return *reinterpret_cast<const Description*>(d); }
const Layout& Of(cublasLtMatrixLayout_t l) { return *reinterpret_cast<const Layout*>(l); }
const Preference& Of(cublasLtMatmulPreference_t p) { return *reinterpret_cast<const Preference*>(p); }

template <typename T>
cublasStatus_t Set(T& member, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&member, value, sizeof(T));
  return CUBLAS_STATUS_SUCCESS;
}

bool HasBias(const Description& d) {
  return d.epilogue == CUBLASLT_EPILOGUE_BIAS || d.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}
bool HasRelu(const Description& d) {
  return d.epilogue == CUBLASLT_EPILOGUE_RELU || d.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}

// What a product is: everything that the call is told, since descriptors may be gone when the work is done.
struct Matmul {
  Description description;
  Layout a, b, d;
  float alpha, beta;
  const void *pa, *pb, *pc;
  void* pd;

  bool transposes_a() const { return description.transpose_a == CUBLAS_OP_T; }
  bool transposes_b() const { return description.transpose_b == CUBLAS_OP_T; }
  int64_t depth() const { return transposes_a() ? a.rows : a.columns; }
};

// float32 computed as float32 or as TensorFloat-32; bfloat16 and float16 with results of their own type or
// float32.
bool Supports(const Description& description, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  const bool compute = description.compute == CUBLAS_COMPUTE_32F ||
                       (description.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F);
  const bool types = (a.type == CUDA_R_32F && d.type == CUDA_R_32F) ||
                     ((a.type == CUDA_R_16BF || a.type == CUDA_R_16F) && (d.type == a.type || d.type == CUDA_R_32F));
  return compute && types && a.type == b.type && c.type == d.type && description.scale_type == CUDA_R_32F;
}

cublasStatus_t CheckShapes(const Matmul& m, const Layout& c) {
  const int64_t rows = m.transposes_a() ? m.a.columns : m.a.rows;
  const int64_t columns = m.transposes_b() ? m.b.rows : m.b.columns;
  const int64_t depth_of_b = m.transposes_b() ? m.b.columns : m.b.rows;
  const bool fits = m.d.rows == rows && m.d.columns == columns && m.depth() == depth_of_b && c == m.d &&
                    m.a.batch == m.d.batch && m.b.batch == m.d.batch;
  if (!m.a.valid() || !m.b.valid() || !m.d.valid() || !fits) return CUBLAS_STATUS_INVALID_VALUE;
  if (HasBias(m.description) && m.description.bias == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return Supports(m.description, m.a, m.b, c, m.d) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

float Load(const void* data, cudaDataType type, int64_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[i];
  if (type == CUDA_R_16F) return __half2float(static_cast<const __half*>(data)[i]);
  return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
}

void Store(void* data, cudaDataType type, int64_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[i] = value;
  } else if (type == CUDA_R_16F) {
    static_cast<__half*>(data)[i] = __float2half(value);
  } else {
    static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16(value);
  }
}

// op(x) of one matrix of the batch as floats, its columns without gaps.
std::vector<float> Columns(const void* data, const Layout& x, bool transposed, int64_t batch) {
  std::vector<float> columns(static_cast<size_t>(x.rows * x.columns));
  const int64_t begin = batch * x.batch_stride;
  for (int64_t c = 0; c < x.columns; ++c) {
    for (int64_t r = 0; r < x.rows; ++r) {
      columns[static_cast<size_t>(transposed ? r * x.columns + c : c * x.rows + r)] =
          Load(data, x.type, begin + c * x.column_stride + r);
    }
  }
  return columns;
}

// A piece of a few columns stays in registers or close to them while all of `a` passes by once.
constexpr int64_t kRows = 64, kColumns = 4;

void Multiply(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth, int64_t columns,
              float (&sums)[kColumns][kRows]) {
  std::fill_n(&sums[0][0], kColumns * kRows, 0.0F);
  if (rows < kRows || columns < kColumns) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t r = 0; r < rows; ++r) sums[c][r] += a[k * a_stride + r] * b[c * depth + k];
      }
    }
    return;
  }
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t c = 0; c < kColumns; ++c) {
      const float factor = b[c * depth + k];
      for (int64_t r = 0; r < kRows; ++r) sums[c][r] += a[k * a_stride + r] * factor;
    }
  }
}

void Compute(const Matmul& m, int64_t batch) {
  const std::vector<float> a = Columns(m.pa, m.a, m.transposes_a(), batch);
  const std::vector<float> b = Columns(m.pb, m.b, m.transposes_b(), batch);
  const int64_t depth = m.depth(), begin = batch * m.d.batch_stride;
  float sums[kColumns][kRows];
  for (int64_t column = 0; column < m.d.columns; column += kColumns) {
    const int64_t columns = std::min(kColumns, m.d.columns - column);
    for (int64_t row = 0; row < m.d.rows; row += kRows) {
      const int64_t rows = std::min(kRows, m.d.rows - row);
      Multiply(a.data() + row, m.d.rows, rows, b.data() + column * depth, depth, columns, sums);
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = begin + (column + c) * m.d.column_stride + row + r;
          float value = m.alpha * sums[c][r];
          if (m.beta != 0) value += m.beta * Load(m.pc, m.d.type, at);
          if (HasBias(m.description)) value += Load(m.description.bias, m.d.type, row + r);
          if (HasRelu(m.description) && value < 0) value = 0;
          Store(m.pd, m.d.type, at, value);
        }
      }
    }
  }
}

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "error of the emulated cuBLASLt";
  }
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute,
                                        cudaDataType_t scale_type) {
  *made = reinterpret_cast<cublasLtMatmulDesc_t>(new Description{compute, scale_type});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete &Of(description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  Description& d = *reinterpret_cast<Description*>(description);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return Set(d.transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return Set(d.transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      if (auto s = Set(d.epilogue, value, bytes); s != CUBLAS_STATUS_SUCCESS) return s;
      return d.epilogue == CUBLASLT_EPILOGUE_DEFAULT || HasBias(d) || HasRelu(d) ? CUBLAS_STATUS_SUCCESS
                                                                                 : CUBLAS_STATUS_NOT_SUPPORTED;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return Set(d.bias, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t stride) {
  *made = reinterpret_cast<cublasLtMatrixLayout_t>(
      new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), stride});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete &Of(layout);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  Layout& l = *reinterpret_cast<Layout*>(layout);
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return Set(l.batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return Set(l.batch_stride, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  *made = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete &Of(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
  Preference& p = *reinterpret_cast<Preference*>(preference);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return Set(p.workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return Set(p.reductions, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return Set(p.alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

// The one algorithm holds the alignments that it was chosen for, and the bytes of its workspace in data[2].
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  *found = 0;
  if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
  const Matmul m = {Of(description), Of(a), Of(b), Of(d), 0, 0, nullptr, nullptr, nullptr, nullptr};
  if (auto s = CheckShapes(m, Of(c)); s != CUBLAS_STATUS_SUCCESS) return s;
  const Preference& p = Of(preference);
  if (p.workspace < kWorkspaceBytes) return CUBLAS_STATUS_NOT_SUPPORTED;
  results[0] = {};
  std::copy_n(p.alignment, 4, reinterpret_cast<uint32_t*>(results[0].algo.data));
  results[0].algo.data[2] = kWorkspaceBytes;
  results[0].workspaceSize = kWorkspaceBytes;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  const Matmul m = {Of(description),
                    Of(a_layout),
                    Of(b_layout),
                    Of(d_layout),
                    *static_cast<const float*>(alpha),
                    *static_cast<const float*>(beta),
                    a,
                    b,
                    c,
                    d};
  if (auto s = CheckShapes(m, Of(c_layout)); s != CUBLAS_STATUS_SUCCESS) return s;
  if (algorithm == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  uint32_t alignment[4];
  std::copy_n(reinterpret_cast<const uint32_t*>(algorithm->data), 4, alignment);
  const void* addresses[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) {
    if (reinterpret_cast<uintptr_t>(addresses[i]) % alignment[i] != 0) return CUBLAS_STATUS_INVALID_VALUE;
  }
  const bool enough = workspace != nullptr && workspace_bytes >= algorithm->data[2];
  if (!enough || reinterpret_cast<uintptr_t>(workspace) % 16 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  mathnas::kernels::cuda::emulation::Enqueue(stream, [m, workspace, bytes = algorithm->data[2]] {
    std::memset(workspace, 0xFF, bytes);  // as an algorithm that uses it
    for (int64_t i = 0; i < m.d.batch; ++i) Compute(m, i);
  });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
