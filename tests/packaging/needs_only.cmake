# Read by CMake before a project (CMAKE_PROJECT_TOP_LEVEL_INCLUDES): find_package() of what is not in the list NEEDS_ONLY
# is an error, required or not, found or not.
macro(refuse_others method package)
  if(NOT "${package}" IN_LIST NEEDS_ONLY)
    message(FATAL_ERROR "asks for ${package}, must need no more than ${NEEDS_ONLY}")
  endif()
endmacro()
cmake_language(SET_DEPENDENCY_PROVIDER refuse_others SUPPORTED_METHODS FIND_PACKAGE)
