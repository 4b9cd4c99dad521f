# Installation, for all floors made by mathnas_library(): headers by floor in include/mathnas, static libraries, the
# CMake package with one component per floor, and two pkg-config files (all of it, and the core alone).
# What a floor needs from outside is read off its link libraries; a library new to the project gets a line in
# mathnas_dependency(). Included after all floors. Other targets may join the export set mathnas-targets.
include(CMakePackageConfigHelpers)

get_property(mathnas_libraries GLOBAL PROPERTY MATHNAS_LIBRARIES)

# mathnas_dependency(LIBRARY FIND REQUIRES LIBS): how a consumer finds LIBRARY, with find_package(FIND), and in
# pkg-config by a module of the name REQUIRES or, where it comes without one, by the flags LIBS.
function(mathnas_dependency library find requires libs)
  set(row "")
  if(library MATCHES "^absl::(.+)$")
    set(row absl "absl_${CMAKE_MATCH_1}" "")
  elseif(library STREQUAL fmt::fmt)
    set(row fmt fmt "")
  elseif(library STREQUAL ZLIB::ZLIB)
    set(row ZLIB zlib "")
  elseif(library STREQUAL JPEG::JPEG)
    set(row JPEG libjpeg "")
  elseif(library STREQUAL PNG::PNG)
    set(row PNG libpng "")
  elseif(library STREQUAL DNNL::dnnl)
    set(row dnnl "" "-ldnnl")
  elseif(library STREQUAL Threads::Threads)
    set(row Threads "" "-pthread")
  elseif(library STREQUAL OpenMP::OpenMP_CXX)
    set(row OpenMP "" "-fopenmp")
  elseif(library MATCHES "^sentencepiece(_train)?$")
    set(row "" sentencepiece "")
  elseif(library MATCHES "^(dl|m|rt)$")
    set(row "" "" "-l${library}")
  else()
    message(FATAL_ERROR "${library} is not known to the installation: add a line to mathnas_dependency()")
  endif()
  list(POP_FRONT row first second third)
  set(${find} "${first}" PARENT_SCOPE)
  set(${requires} "${second}" PARENT_SCOPE)
  set(${libs} "${third}" PARENT_SCOPE)
endfunction()

# mathnas_needs(TARGET FLOORS PUBLIC PRIVATE): what linking TARGET takes. FLOORS are the project's own libraries, each
# before those that it uses; PUBLIC and PRIVATE are from outside, PUBLIC if the headers of a floor include them.
function(mathnas_needs target floors public private)
  set(order "")
  set(outside_public "")
  set(outside_private "")
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  foreach(link IN LISTS links)
    set(kind public)
    if(link MATCHES "^\\$<LINK_ONLY:(.*)>$")
      set(kind private)
      set(link "${CMAKE_MATCH_1}")
    endif()
    if(NOT link OR link MATCHES "^\\$<BUILD_INTERFACE:")
      continue()
    elseif(link MATCHES "^mathnas::(.+)$")
      mathnas_needs(mathnas_${CMAKE_MATCH_1} below_order below_public below_private)
      list(REMOVE_ITEM order ${below_order})
      list(APPEND order ${below_order})
      list(APPEND outside_${kind} ${below_public})
      list(APPEND outside_private ${below_private})
    else()
      list(APPEND outside_${kind} ${link})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES outside_public)
  list(REMOVE_DUPLICATES outside_private)
  list(REMOVE_ITEM outside_private ${outside_public} "")
  set(${floors} ${target} ${order} PARENT_SCOPE)
  set(${public} ${outside_public} PARENT_SCOPE)
  set(${private} ${outside_private} PARENT_SCOPE)
endfunction()

# mathnas_pkgconfig(MODULE TARGET DESCRIPTION): MODULE.pc for linking TARGET with `pkg-config --static`.
function(mathnas_pkgconfig module target description)
  mathnas_needs(${target} floors public private)
  set(libs "")
  foreach(floor IN LISTS floors)
    list(APPEND libs "-l${floor}")
  endforeach()
  set(libs_private "")
  foreach(kind public private)
    set(requires_${kind} "")
    foreach(library IN LISTS ${kind})
      mathnas_dependency(${library} package module_name flags)
      list(APPEND requires_${kind} ${module_name})
      list(APPEND libs_private ${flags})
    endforeach()
    list(JOIN requires_${kind} ", " requires_${kind})
  endforeach()
  file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
  list(JOIN libs " " libs)
  list(JOIN libs_private " " libs_private)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/module.pc.in ${PROJECT_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# mathnas_pkgconfig_c(MODULE DESCRIPTION): MODULE.pc for linking the shared library, which brings what it needs.
function(mathnas_pkgconfig_c module description)
  file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/shared.pc.in ${PROJECT_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# Headers. Folders of devices and those called internal are no part of the interface.
set(mathnas_folders kernels blocks)
set(mathnas_absent "^$")
if(MATHNAS_COMPUTE_ONLY)
  set(mathnas_absent "/kernels/(graph_json|step_trace)\\.h$") # of mathnas::json
else()
  list(APPEND mathnas_folders supernet mathnas)
endif()
install(
  DIRECTORY ${mathnas_folders}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mathnas
  FILES_MATCHING
  PATTERN "*.h"
  REGEX "/kernels/(cpu|cuda|ref)$" EXCLUDE
  REGEX ${mathnas_absent} EXCLUDE
  PATTERN internal EXCLUDE
  PATTERN tables EXCLUDE)
if(TARGET mathnas_onnx)
  install(
    DIRECTORY bindings/onnx
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mathnas/bindings
    FILES_MATCHING
    PATTERN "*.h"
    PATTERN internal EXCLUDE)
endif()

# Libraries, and the program where it is built.
set(mathnas_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mathnas)
install(TARGETS ${mathnas_libraries} EXPORT mathnas-targets)
install(EXPORT mathnas-targets NAMESPACE mathnas:: DESTINATION ${mathnas_cmake_dir})
if(TARGET mathnas)
  install(TARGETS mathnas)
endif()

# The C interface: one header, and a shared library that needs nothing of the package to be linked, hence an export set
# of its own.
if(TARGET mathnas_c)
  install(TARGETS mathnas_c EXPORT mathnas-c-targets)
  install(EXPORT mathnas-c-targets NAMESPACE mathnas:: DESTINATION ${mathnas_cmake_dir})
  install(FILES bindings/c/mathnas.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()

# CMake package: find_package(mathnas) asks for what all floors need, find_package(mathnas COMPONENTS core) for what
# the core needs.
set(mathnas_components "")
set(mathnas_component_needs "")
foreach(target IN LISTS mathnas_libraries)
  string(REGEX REPLACE "^mathnas_" "" component ${target})
  mathnas_needs(${target} floors public private)
  set(packages "")
  foreach(library IN LISTS public private)
    mathnas_dependency(${library} package module_name flags)
    list(APPEND packages ${package})
  endforeach()
  list(REMOVE_DUPLICATES packages)
  list(JOIN packages " " packages)
  list(APPEND mathnas_components ${component})
  string(APPEND mathnas_component_needs "set(mathnas_${component}_needs ${packages})\n")
endforeach()
list(JOIN mathnas_components " " mathnas_components)
configure_file(cmake/mathnas-config.cmake.in ${PROJECT_BINARY_DIR}/mathnas-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mathnas-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mathnas-config.cmake ${PROJECT_BINARY_DIR}/mathnas-config-version.cmake
        DESTINATION ${mathnas_cmake_dir})

# pkg-config
if(TARGET mathnas_mathnas)
  mathnas_pkgconfig(mathnas mathnas_mathnas "${PROJECT_DESCRIPTION}")
endif()
if(TARGET mathnas_core)
  mathnas_pkgconfig(mathnas-core mathnas_core "Block tables, estimator and solver of mathnas alone")
endif()

if(TARGET mathnas_onnx)
  mathnas_pkgconfig(mathnas-onnx mathnas_onnx "Networks of mathnas as ONNX files")
endif()
if(TARGET mathnas_c)
  mathnas_pkgconfig_c(mathnas-c "C interface of mathnas")
endif()

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Published block tables.
if(TARGET mathnas_core)
  install(
    DIRECTORY mathnas/tables/
    DESTINATION ${CMAKE_INSTALL_DATADIR}/mathnas/tables
    FILES_MATCHING
    PATTERN "*.json"
    PATTERN "README.md"
    PATTERN "*.csv")
endif()
