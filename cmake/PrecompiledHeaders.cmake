# The headers of the standard library, fmt, GoogleTest and LibTorch are parsed once and not once per
# source file, which halves the time of a build. Every file still includes what it uses; a build
# with -DAPOLLO_PCH=OFF shows a missing #include.

option(APOLLO_PCH "precompile the headers of others" ON)
if(CCACHE AND APOLLO_PCH)
  # What ccache asks for before it keeps objects that were made with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()

set(_apollo_pch_standard
  <algorithm> <array> <chrono> <cmath> <cstdint> <cstring> <filesystem> <functional> <map> <memory>
  <numeric> <optional> <set> <span> <string> <string_view> <utility> <vector> <fmt/format.h>
  <fmt/ranges.h>)
set(_apollo_pch_torch
  <ATen/CPUGeneratorImpl.h> <ATen/Parallel.h> <ATen/TensorOperators.h> <ATen/core/Tensor.h>
  <ATen/core/grad_mode.h> <ATen/ops/empty.h> <ATen/ops/zeros.h>)

# A target that holds precompiled headers; others with the same flags use them.
function(_apollo_pch_target name)
  cmake_parse_arguments(ARG "" "" "HEADERS;USES;OPTIONS" ${ARGN})
  set(source "${CMAKE_BINARY_DIR}/pch/${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "// Holds precompiled headers.\n")
  add_library(${name} OBJECT "${source}")
  target_link_libraries(${name} PRIVATE ${ARG_USES})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  if(ARG_OPTIONS)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  endif()
endfunction()

# The precompiled headers of libraries, and in apollo_precompile_for_tests() those of test programs,
# which are compiled with -fPIE: with LibTorch (..._ON) and without (..._OFF).
set_target_properties(LibTorch::torch PROPERTIES APOLLO_USES_TORCH ON)
if(APOLLO_PCH)
  _apollo_pch_target(apollo_pch_library_OFF HEADERS ${_apollo_pch_standard} USES fmt::fmt)
  _apollo_pch_target(apollo_pch_library_ON HEADERS ${_apollo_pch_standard} ${_apollo_pch_torch}
                     USES fmt::fmt LibTorch::torch)
endif()
function(apollo_precompile_for_tests)
  if(APOLLO_PCH)
    _apollo_pch_target(apollo_pch_test_OFF HEADERS ${_apollo_pch_standard} <gtest/gtest.h>
                       USES fmt::fmt GTest::gtest OPTIONS -fPIE)
    _apollo_pch_target(apollo_pch_test_ON
                       HEADERS ${_apollo_pch_standard} ${_apollo_pch_torch} <gtest/gtest.h>
                       USES fmt::fmt GTest::gtest LibTorch::torch OPTIONS -fPIE)
  endif()
endfunction()

# Sets `out` to ON where one of the targets that follow uses LibTorch, else to OFF.
function(apollo_uses_torch out)
  set(${out} OFF PARENT_SCOPE)
  foreach(target ${ARGN})
    set(torch OFF)
    if(TARGET ${target})
      get_target_property(torch ${target} APOLLO_USES_TORCH)
    endif()
    if(torch)
      set(${out} ON PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# `target`, a `kind` of library or test, with LibTorch or without, uses the precompiled headers.
function(apollo_precompiled target kind torch)
  if(APOLLO_PCH)
    target_precompile_headers(${target} REUSE_FROM apollo_pch_${kind}_${torch})
  endif()
endfunction()
