#include "kernels/cuda/emulation/cudnn_descriptors.h"

#include <algorithm>
#include <initializer_list>
#include <set>

namespace mathnas::kernels::cuda::emulation {
namespace {

using Names = std::initializer_list<cudnnBackendAttributeName_t>;
using ContentPtr = std::shared_ptr<const Content>;

// The first of these that was not set, or a descriptor that was not finalised.
cudnnStatus_t Require(const Content& c, Names names, std::string& message) {
  for (cudnnBackendAttributeName_t name : names) {
    const auto found = c.attributes.find(name);
    if (found == c.attributes.end()) {
      message = "attribute " + std::to_string(name) + " is missing";
      return CUDNN_STATUS_BAD_PARAM;
    }
    for (const ContentPtr& inner : found->second.descriptors) {
      if (inner->finalized) continue;
      message = "attribute " + std::to_string(name) + " is not finalised";
      return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t Fail(cudnnStatus_t status, const char* text, std::string& message) {
  message = text;
  return status;
}

std::vector<int64_t> Dims(const Content& tensor) { return tensor.All<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS); }

// Whether a tensor's elements lie side by side, in whatever order.
bool IsDense(const Content& tensor) {
  const std::vector<int64_t> dims = Dims(tensor), strides = tensor.All<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  int64_t elements = 1, last = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    elements *= dims[i];
    last += (dims[i] - 1) * strides[i];
  }
  return last + 1 == elements;
}

cudnnStatus_t CheckTensor(const Content& c, std::string& message) {
  if (auto s = Require(c,
                       {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_ATTR_TENSOR_STRIDES,
                        CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT},
                       message);
      s != CUDNN_STATUS_SUCCESS) {
    return s;
  }
  const std::vector<int64_t> dims = Dims(c), strides = c.All<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  if (dims.size() != 4 || strides.size() != 4) return Fail(CUDNN_STATUS_BAD_PARAM, "expected four extents", message);
  for (size_t i = 0; i < 4; ++i) {
    if (dims[i] < 1 || strides[i] < 1) return Fail(CUDNN_STATUS_BAD_PARAM, "extents below 1", message);
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CheckGeometry(const Content& c, std::string& message) {
  if (auto s = Require(
          c,
          {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
           CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS,
           CUDNN_ATTR_CONVOLUTION_POST_PADDINGS},
          message);
      s != CUDNN_STATUS_SUCCESS) {
    return s;
  }
  for (const auto& [name, least] :
       {std::pair{CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1}, std::pair{CUDNN_ATTR_CONVOLUTION_DILATIONS, 1},
        std::pair{CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0}, std::pair{CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 0}}) {
    const std::vector<int64_t> values = c.All<int64_t>(name);
    if (values.size() != 2 || *std::min_element(values.begin(), values.end()) < least) {
      return Fail(CUDNN_STATUS_BAD_PARAM, "strides, dilations or paddings of a convolution", message);
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CheckConvolution(const Content& c, const ConvolutionNames& n, std::string& message) {
  if (auto s = Require(c, {n.geometry, n.x, n.w, n.y, n.alpha, n.beta}, message); s != CUDNN_STATUS_SUCCESS) return s;
  const ContentPtr geometry = c.Descriptor(n.geometry), filter = c.Descriptor(n.w);
  const std::vector<int64_t> x = Dims(*c.Descriptor(n.x)), w = Dims(*filter), y = Dims(*c.Descriptor(n.y));
  if (!IsDense(*filter)) return Fail(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "a filter that is not dense", message);
  if (x[1] % w[1] != 0 || w[0] % (x[1] / w[1]) != 0 || y[0] != x[0] || y[1] != w[0]) {
    return Fail(CUDNN_STATUS_BAD_PARAM, "channels that do not fit the filter", message);
  }
  const auto strides = geometry->All<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const auto before = geometry->All<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto after = geometry->All<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  for (size_t i = 0; i < 2; ++i) {
    const int64_t span = x[i + 2] + before[i] + after[i] - w[i + 2];
    if (span < 0 || y[i + 2] != span / strides[i] + 1) {
      return Fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "an image that does not fit the convolution", message);
    }
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CheckPointwise(const Content& c, std::string& message) {
  if (auto s = Require(c,
                       {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
                        CUDNN_ATTR_OPERATION_POINTWISE_YDESC},
                       message);
      s != CUDNN_STATUS_SUCCESS) {
    return s;
  }
  const std::vector<int64_t> x = Dims(*c.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC)),
                             y = Dims(*c.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
  if (x != y) return Fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a pointwise operation of two shapes", message);
  const auto mode =
      c.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)->One<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  if (mode == CUDNN_POINTWISE_RELU_FWD) return CUDNN_STATUS_SUCCESS;
  if (mode != CUDNN_POINTWISE_ADD) return Fail(CUDNN_STATUS_NOT_SUPPORTED, "a pointwise mode", message);
  if (auto s = Require(c, {CUDNN_ATTR_OPERATION_POINTWISE_BDESC}, message); s != CUDNN_STATUS_SUCCESS) return s;
  const std::vector<int64_t> b = Dims(*c.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
  for (size_t i = 0; i < 4; ++i) {
    if (b[i] != 1 && b[i] != x[i]) return Fail(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "no broadcast", message);
  }
  return CUDNN_STATUS_SUCCESS;
}

// The tensor that an operation writes, and those that it reads.
struct Tensors {
  ContentPtr result;
  std::vector<ContentPtr> operands;

  explicit Tensors(const Content& op) {
    if (const ConvolutionNames* n = NamesOf(op.type)) {
      cudnnBackendAttributeName_t written = n->y;
      if (op.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) written = n->x;
      if (op.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR) written = n->w;
      for (auto name : {n->x, n->w, n->y}) {
        (name == written ? result : operands.emplace_back()) = op.Descriptor(name);
      }
      return;
    }
    result = op.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    operands.push_back(op.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
    if (auto b = op.Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) operands.push_back(b);
  }
};

// Operations come in their order here, and what is virtual is made by one of them.
cudnnStatus_t CheckGraph(const Content& c, std::string& message) {
  if (auto s = Require(c, {CUDNN_ATTR_OPERATIONGRAPH_OPS}, message); s != CUDNN_STATUS_SUCCESS) return s;
  std::set<int64_t> made;
  for (const ContentPtr& op : c.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors) {
    const Tensors tensors(*op);
    for (const ContentPtr& t : tensors.operands) {
      if (t->One<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && made.count(t->One<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)) == 0) {
        return Fail(CUDNN_STATUS_BAD_PARAM, "a virtual tensor that nothing makes", message);
      }
    }
    made.insert(tensors.result->One<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

const ConvolutionNames* NamesOf(cudnnBackendDescriptorType_t operation) {
  static constexpr ConvolutionNames kForward = {
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  static constexpr ConvolutionNames kBackwardData = {
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  static constexpr ConvolutionNames kBackwardFilter = {
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  switch (operation) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return &kForward;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return &kBackwardData;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return &kBackwardFilter;
    default:
      return nullptr;
  }
}

size_t SizeOf(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
      return sizeof(bool);
    case CUDNN_TYPE_CHAR:
      return sizeof(char);
    case CUDNN_TYPE_INT64:
      return sizeof(int64_t);
    case CUDNN_TYPE_DOUBLE:
      return sizeof(double);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return sizeof(void*);
    default:  // enumerations, float, int32
      return 4;
  }
}

cudnnStatus_t Check(const Content& c, std::string& message) {
  if (const ConvolutionNames* names = NamesOf(c.type)) return CheckConvolution(c, *names, message);
  switch (c.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return CheckTensor(c, message);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return CheckGeometry(c, message);
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_POINTWISE_MODE, CUDNN_ATTR_POINTWISE_MATH_PREC}, message);
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      return CheckPointwise(c, message);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return CheckGraph(c, message);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_ATTR_ENGINEHEUR_MODE}, message);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_ATTR_ENGINE_GLOBAL_INDEX}, message);
    case CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE}, message);
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_ENGINECFG_ENGINE}, message);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_ATTR_EXECUTION_PLAN_HANDLE}, message);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return Require(c, {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS}, message);
    default:
      return Fail(CUDNN_STATUS_NOT_SUPPORTED, "a descriptor that the emulation does not have", message);
  }
}

bool HasEngine(const Content& graph) {
  const auto& ops = graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors;
  std::set<cudnnDataType_t> types;
  for (size_t i = 0; i < ops.size(); ++i) {
    const bool convolution = NamesOf(ops[i]->type) != nullptr;
    if (convolution != (i == 0)) return false;
    const Tensors tensors(*ops[i]);
    std::vector<ContentPtr> all = tensors.operands;
    all.push_back(tensors.result);
    for (const ContentPtr& t : all) {
      if (!t->One<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL)) {
        types.insert(t->One<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE));
      }
    }
    if (convolution) continue;
    const auto mode = ops[i]
                          ->Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)
                          ->One<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
    if (mode != (i == 1 ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD) || i > 2) return false;
  }
  const std::set<cudnnDataType_t> known = {CUDNN_DATA_FLOAT, CUDNN_DATA_BFLOAT16, CUDNN_DATA_HALF};
  return types.size() == 1 && known.contains(*types.begin());
}

}  // namespace mathnas::kernels::cuda::emulation
