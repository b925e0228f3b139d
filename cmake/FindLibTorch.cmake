# Finds LibTorch in a pip wheel or an unpacked archive, CPU or CUDA, and offers it as imported
# targets. The stock TorchConfig.cmake insists on a CUDA toolkit as soon as the wheel was built with
# CUDA; a program that only calls the public C++ API needs the headers and four libraries.
#
#   APOLLO_TORCH (variable or environment): a folder with include/ and lib/, that is a LibTorch
#   archive or `python -c "import torch; print(torch.__path__[0])"`. Empty: under pip the torch of
#   the environment that it installs into, else that of .venv.
#
# Defines: LibTorch::torch, LibTorch_ROOT_DIR, LibTorch_VERSION, LibTorch_HAS_CUDA, and, where the
# headers of the CUDA runtime are found, which LibTorch's own for CUDA include,
# LibTorch_CUDA_RUNTIME_INCLUDE_DIR: in the wheels that come with a CUDA build of the torch wheel
# (from CUDA 13 on without one that scripts/setup.sh adds), or in a CUDA toolkit.

set(APOLLO_TORCH "" CACHE PATH "LibTorch archive or torch package folder; empty: look for it")
set(LibTorch_ROOT_DIR "${APOLLO_TORCH}")
if(NOT LibTorch_ROOT_DIR)
  set(LibTorch_ROOT_DIR "$ENV{APOLLO_TORCH}")
endif()
if(NOT LibTorch_ROOT_DIR AND SKBUILD)
  execute_process(COMMAND "${Python_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/find_torch.py"
                  OUTPUT_VARIABLE _found OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _failed)
  if(_failed)
    message(FATAL_ERROR
      "install torch first: pip install torch. Apollo is built for the torch that it will run with, "
      "and there is none in ${_found}. Without a GPU: "
      "pip install torch --index-url https://download.pytorch.org/whl/cpu")
  endif()
  set(LibTorch_ROOT_DIR "${_found}")
endif()
if(NOT LibTorch_ROOT_DIR)
  file(GLOB _wheels LIST_DIRECTORIES true
       "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  if(_wheels)
    list(GET _wheels 0 LibTorch_ROOT_DIR)
  endif()
endif()
get_filename_component(LibTorch_ROOT_DIR "${LibTorch_ROOT_DIR}" ABSOLUTE)

# What an earlier configuration found elsewhere must not be mixed with this LibTorch.
foreach(_found INCLUDE_DIR CPU_LIBRARY C10_LIBRARY CUDA_LIBRARY C10_CUDA_LIBRARY PYTHON_LIBRARY)
  string(FIND "${LibTorch_${_found}}" "${LibTorch_ROOT_DIR}/" _position)
  if(NOT _position EQUAL 0)
    unset(LibTorch_${_found} CACHE)
  endif()
endforeach()

find_path(LibTorch_INCLUDE_DIR ATen/Functions.h
          PATHS "${LibTorch_ROOT_DIR}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${LibTorch_ROOT_DIR}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${LibTorch_ROOT_DIR}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda PATHS "${LibTorch_ROOT_DIR}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda PATHS "${LibTorch_ROOT_DIR}/lib" NO_DEFAULT_PATH)
# Of a wheel alone: what makes tensors of Python.
find_library(LibTorch_PYTHON_LIBRARY torch_python PATHS "${LibTorch_ROOT_DIR}/lib" NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY
                 LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY LibTorch_PYTHON_LIBRARY)

set(LibTorch_VERSION "LibTorch_VERSION-NOTFOUND")
if(LibTorch_INCLUDE_DIR AND EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" _version
       REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" _version "${_version}")
  string(REPLACE ";" "." LibTorch_VERSION "${_version}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE
    "no LibTorch in '${LibTorch_ROOT_DIR}': run `make setup`, or set APOLLO_TORCH to a LibTorch folder")

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch)
  add_library(LibTorch::torch INTERFACE IMPORTED)
  # Behind the system's folders: LibTorch ships headers of others too (fmt 12 without its library),
  # which must not stand before those that this program links.
  target_compile_options(LibTorch::torch INTERFACE "SHELL:-idirafter \"${LibTorch_INCLUDE_DIR}\"")
  target_compile_definitions(LibTorch::torch INTERFACE
    AT_PER_OPERATOR_HEADERS _GLIBCXX_USE_CXX11_ABI=1)
  set(_libraries "${LibTorch_CPU_LIBRARY}" "${LibTorch_C10_LIBRARY}")
  set(LibTorch_HAS_CUDA OFF)
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    # Nothing refers to a symbol of these two: they register the CUDA back end when loaded.
    set(LibTorch_HAS_CUDA ON)
    file(GLOB _cuda_wheels "${LibTorch_ROOT_DIR}/../nvidia/cu*/include"
         "${LibTorch_ROOT_DIR}/../nvidia/cuda_runtime/include")
    find_path(LibTorch_CUDA_RUNTIME_INCLUDE_DIR crt/host_config.h
              HINTS ${_cuda_wheels} "$ENV{CUDA_HOME}/include" /usr/local/cuda/include NO_CACHE)
    list(PREPEND _libraries "-Wl,--no-as-needed" "${LibTorch_CUDA_LIBRARY}"
         "${LibTorch_C10_CUDA_LIBRARY}" "-Wl,--as-needed")
  endif()
  # The wheel's own dependencies (cuBLAS and others) are found at run time by its rpath.
  target_link_libraries(LibTorch::torch INTERFACE ${_libraries} "-Wl,--allow-shlib-undefined")
endif()
