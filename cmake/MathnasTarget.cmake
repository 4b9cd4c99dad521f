# What every target of this project has in common.

set(MATHNAS_SANITIZE "" CACHE STRING "Sanitizers for everything: address,undefined or thread; empty for none")
set_property(CACHE MATHNAS_SANITIZE PROPERTY STRINGS "" address undefined address,undefined thread)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo, Debug or MinSizeRel" FORCE)
endif()

# Sanitizers must be in every object and every program, so they are the only flags set for all targets at once.
if(MATHNAS_SANITIZE)
  add_compile_options(-fsanitize=${MATHNAS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MATHNAS_SANITIZE})
endif()

# Headers that nearly every source reads: reading them was a third of the build. Headers of others only, so that a change
# of one of ours rebuilds what includes it and no more. Every source includes what it uses all the same: the preset
# `standalone` builds without them.
set(MATHNAS_PRECOMPILED_HEADERS
    <algorithm>
    <array>
    <cmath>
    <cstdint>
    <functional>
    <map>
    <memory>
    <optional>
    <span>
    <string>
    <string_view>
    <utility>
    <variant>
    <vector>
    <absl/container/flat_hash_map.h>
    <absl/container/inlined_vector.h>
    <absl/hash/hash.h>
    <absl/status/statusor.h>
    <absl/types/span.h>
    <fmt/format.h>)

# mathnas_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...] [PRECOMPILED ...]): one floor, exported as mathnas::NAME.
# PUBLIC is what its headers include, PRIVATE what only its sources include. A private library that has headers only is
# no business of whoever links the installed floor, and is not exported.
# PRECOMPILED: a library, compiled with the same options, whose precompiled headers serve this one too.
function(mathnas_library name)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(mathnas_${name} ${ARG_SOURCES})
  add_library(mathnas::${name} ALIAS mathnas_${name})
  set_target_properties(mathnas_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(
    mathnas_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mathnas>)
  target_link_libraries(mathnas_${name} PUBLIC ${ARG_PUBLIC})
  foreach(library IN LISTS ARG_PRIVATE)
    mathnas_is_header_only(${library} header_only)
    if(header_only)
      set(library $<BUILD_INTERFACE:${library}>)
    endif()
    target_link_libraries(mathnas_${name} PRIVATE ${library})
  endforeach()
  mathnas_compile_options(mathnas_${name})
  if(ARG_PRECOMPILED)
    target_precompile_headers(mathnas_${name} REUSE_FROM mathnas_${ARG_PRECOMPILED})
  else()
    target_precompile_headers(mathnas_${name} PRIVATE ${MATHNAS_PRECOMPILED_HEADERS})
  endif()
  set_property(GLOBAL APPEND PROPERTY MATHNAS_LIBRARIES mathnas_${name})
endfunction()

# mathnas_compile_briefly(SOURCE ...): sources in which a program spends no time that counts, while the optimiser spends a
# third of theirs. Without precompiled headers: GCC optimises what uses them as it did when it made them.
function(mathnas_compile_briefly)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O1>)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Whether a library found on the system consists of headers alone.
function(mathnas_is_header_only library result)
  set(${result} OFF PARENT_SCOPE)
  if(TARGET ${library})
    get_target_property(type ${library} TYPE)
    get_target_property(imported ${library} IMPORTED)
    get_target_property(links ${library} INTERFACE_LINK_LIBRARIES)
    get_target_property(options ${library} INTERFACE_LINK_OPTIONS)
    if(type STREQUAL INTERFACE_LIBRARY AND imported AND NOT links AND NOT options)
      set(${result} ON PARENT_SCOPE)
    endif()
  endif()
endfunction()

# mathnas_program(NAME SOURCES ... [LIBS ...])
function(mathnas_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  mathnas_compile_options(${name})
endfunction()

function(mathnas_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC 12 sees overlaps in "text" + std::string that are none (GCC bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(MATHNAS_WERROR)
    # What may be uninitialized depends on inlining; GCC 12 says it of moved absl::InlinedVectors, wrongly.
    target_compile_options(${target} PRIVATE -Werror -Wno-error=maybe-uninitialized)
  endif()
endfunction()
