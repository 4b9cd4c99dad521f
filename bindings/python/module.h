// The parts of the module `mathnas._native`, each in a source of its own.
#ifndef MATHNAS_BINDINGS_PYTHON_MODULE_H_
#define MATHNAS_BINDINGS_PYTHON_MODULE_H_

#include <nanobind/nanobind.h>

namespace mathnas::python {

namespace nb = nanobind;
using namespace nb::literals;  // NOLINT: "name"_a

void AddTable(nb::module_& m);
void AddSearch(nb::module_& m);
void AddPredictor(nb::module_& m);
void AddSpace(nb::module_& m);
void AddNetwork(nb::module_& m);
void AddSupernet(nb::module_& m);
void AddTraining(nb::module_& m);
void AddTranslator(nb::module_& m);
void AddData(nb::module_& m);
void AddTrainingRuns(nb::module_& m);
void AddMeasuring(nb::module_& m);
void AddServer(nb::module_& m);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_MODULE_H_
