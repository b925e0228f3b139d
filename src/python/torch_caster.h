// Converts at::Tensor to torch.Tensor, sharing the memory. Include this before anything else that
// includes Python's headers, because torch's headers require that.
#pragma once

#include <torch/csrc/autograd/python_variable.h>

#include <nanobind/nanobind.h>

NAMESPACE_BEGIN(NB_NAMESPACE)
NAMESPACE_BEGIN(detail)

template <>
struct type_caster<at::Tensor> {
  NB_TYPE_CASTER(at::Tensor, const_name("torch.Tensor"))

  bool from_python(handle source, uint8_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
    if (!THPVariable_Check(source.ptr())) return false;
    value = THPVariable_Unpack(source.ptr());
    return true;
  }
  static handle from_cpp(const at::Tensor& tensor, rv_policy /*policy*/,
                         cleanup_list* /*cleanup*/) noexcept {
    return THPVariable_Wrap(tensor);
  }
};

NAMESPACE_END(detail)
NAMESPACE_END(NB_NAMESPACE)
