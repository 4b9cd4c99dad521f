# The target `doc`: HTML of the public headers, C and C++, and of the pages, in doc/html of the build folder. Where
# there is no Doxygen there is no such target.
find_package(Doxygen QUIET)
if(NOT DOXYGEN_FOUND)
  return()
endif()

set(DOC_FOR_C NO)
set(DOC_HTML YES)
set(DOC_XML NO)
set(DOC_WARN_AS_ERROR NO)
set(DOC_OUTPUT ${PROJECT_BINARY_DIR}/doc)
set(DOC_WARNINGS ${PROJECT_BINARY_DIR}/doc/warnings.txt)
set(DOC_INPUT "")
foreach(folder bindings mathnas supernet blocks kernels bench)
  string(APPEND DOC_INPUT " ${PROJECT_SOURCE_DIR}/${folder}")
endforeach()
file(MAKE_DIRECTORY ${DOC_OUTPUT})
configure_file(${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in ${PROJECT_BINARY_DIR}/doc/Doxyfile @ONLY)
add_custom_target(
  doc
  COMMAND Doxygen::doxygen ${PROJECT_BINARY_DIR}/doc/Doxyfile
  COMMENT "Documentation: ${PROJECT_BINARY_DIR}/doc/html/index.html"
  VERBATIM)

# The header that programs in C read, alone and without a warning.
set(DOC_FOR_C YES)
set(DOC_HTML NO)
set(DOC_XML YES)
set(DOC_WARN_AS_ERROR FAIL_ON_WARNINGS)
set(DOC_OUTPUT ${PROJECT_BINARY_DIR}/doc/c)
set(DOC_WARNINGS "")
set(DOC_INPUT ${PROJECT_SOURCE_DIR}/bindings/c/mathnas.h)
file(MAKE_DIRECTORY ${DOC_OUTPUT})
configure_file(${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in ${PROJECT_BINARY_DIR}/doc/c/Doxyfile @ONLY)
