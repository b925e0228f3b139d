# What is installed into a Python package: apollo_lm/ with the modules, apollo_lm/bin with the
# programs and, where BUILD_SHARED_LIBS is on, apollo_lm/lib with the libraries.

# Sets where a target that is installed into `folder` of the package, or "", looks for libraries: in
# the package, in torch beside it (with CUDA, in the NCCL that torch came with), and where torch was
# when this was built.
function(apollo_package_rpath target folder)
  set(package "$ORIGIN")
  if(folder)
    set(package "$ORIGIN/..")
  endif()
  set(places "${package}/../torch/lib" "${LibTorch_ROOT_DIR}/lib")
  if(LibTorch_HAS_CUDA)
    list(APPEND places "${package}/../nvidia/nccl/lib" "${LibTorch_ROOT_DIR}/../nvidia/nccl/lib")
  endif()
  if(BUILD_SHARED_LIBS)
    list(PREPEND places "${package}/lib")
  endif()
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "${places}")
endfunction()

# A shared library shows what is Apollo's own, and not what it instantiates of other libraries'
# headers, which others in the process have too, in other versions.
function(apollo_package_library target)
  if(BUILD_SHARED_LIBS)
    set(script "${CMAKE_SOURCE_DIR}/cmake/exports.map")
    target_link_options(${target} PRIVATE "LINKER:-Bsymbolic-functions,--version-script=${script}")
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${script}")
    apollo_package_rpath(${target} lib)
    install(TARGETS ${target} LIBRARY DESTINATION apollo_lm/lib COMPONENT python)
  endif()
endfunction()
