// The device on which the tests of operators, models and training run: the CPU, or what
// APOLLO_TEST_DEVICE names.
//
//   APOLLO_TEST_DEVICE=cuda ctest --test-dir build -R 'ops|model|optim|train'
#pragma once

#include <c10/core/Device.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace apollo {

inline std::string test_device_name() {
  const char* name = std::getenv("APOLLO_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

inline c10::Device test_device() {
  static const c10::Device device = [] {
    const c10::Device named(test_device_name());
    return named.is_cuda() && !named.has_index() ? c10::Device(c10::kCUDA, 0) : named;
  }();
  return device;
}

// For what a GPU lacks or does differently.
#define APOLLO_SKIP_UNLESS_ON_CPU(why)     \
  if (!::apollo::test_device().is_cpu()) { \
    GTEST_SKIP() << why;                   \
  }

}  // namespace apollo
