#include "bindings/python/module.h"

NB_MODULE(_native, m) {
  using namespace mathnas::python;  // NOLINT: what follows is the module, and nothing else
  m.doc() = "What mathnas does, in C++; `import mathnas` has all of it.";
  m.attr("version") = MATHNAS_VERSION;
  AddTable(m);
  AddSearch(m);
  AddPredictor(m);
  AddSpace(m);
  AddNetwork(m);
  AddSupernet(m);
  AddTraining(m);
  AddTranslator(m);
  AddData(m);
  AddTrainingRuns(m);
  AddMeasuring(m);
  AddServer(m);
}
