// How a server is made, as arguments of Python say it.
#ifndef MATHNAS_BINDINGS_PYTHON_SERVER_OPTIONS_H_
#define MATHNAS_BINDINGS_PYTHON_SERVER_OPTIONS_H_

#include <nanobind/nanobind.h>

#include "bindings/python/server.h"

namespace mathnas::python {

// Server.__init__
void AddServerConstructor(nanobind::class_<Server>& server);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_SERVER_OPTIONS_H_
