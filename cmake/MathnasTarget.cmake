# What every target of this project has in common.

# mathnas_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...]): one floor, exported as mathnas::NAME.
function(mathnas_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(mathnas_${name} ${ARG_SOURCES})
  add_library(mathnas::${name} ALIAS mathnas_${name})
  set_target_properties(mathnas_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(
    mathnas_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mathnas>)
  target_link_libraries(mathnas_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  mathnas_compile_options(mathnas_${name})
  set_property(GLOBAL APPEND PROPERTY MATHNAS_LIBRARIES mathnas_${name})
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
  if(MATHNAS_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
