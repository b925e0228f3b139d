# The libraries of which headers are enough: the system's where it has them, else those of
# third_party/, which are unchanged. fmt is the one that a system has as a compiled library too.

set(APOLLO_THIRD_PARTY AUTO CACHE STRING
    "AUTO: the headers of the system where it has them; ON: always those of third_party/")
set_property(CACHE APOLLO_THIRD_PARTY PROPERTY STRINGS AUTO ON)

# Makes `target` of the folder in which the system has `header`, or of third_party/`folder`.
function(apollo_headers target header folder)
  string(MAKE_C_IDENTIFIER "APOLLO_${folder}_INCLUDE_DIR" _found)
  if(APOLLO_THIRD_PARTY STREQUAL "AUTO")
    find_path(${_found} "${header}")
    mark_as_advanced(${_found})
  else()
    unset(${_found} CACHE)
  endif()
  set(_dir "${${_found}}")
  if(NOT _dir)
    set(_dir "${CMAKE_SOURCE_DIR}/third_party/${folder}")
    message(STATUS "${folder}: the headers of third_party/")
  endif()
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE "${_dir}")
endfunction()

apollo_headers(CLI11::CLI11 CLI/CLI.hpp cli11)
apollo_headers(nlohmann_json::nlohmann_json nlohmann/json.hpp nlohmann_json)
apollo_headers(tomlplusplus::tomlplusplus toml++/toml.h tomlplusplus)
apollo_headers(xxHash::xxhash xxhash.h xxhash)
target_compile_definitions(xxHash::xxhash INTERFACE XXH_INLINE_ALL)
# LibTorch holds the library; these declare what c10d's own headers mention of it.
apollo_headers(gloo::headers gloo/config.h gloo)

if(APOLLO_THIRD_PARTY STREQUAL "AUTO")
  find_package(fmt QUIET)
endif()
if(NOT TARGET fmt::fmt)
  apollo_headers(fmt::fmt fmt/format.h fmt)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
endif()
