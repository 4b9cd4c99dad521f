// What a search is asked for, as arguments of Python say it. Everything here needs the GIL.
#ifndef MATHNAS_BINDINGS_PYTHON_REQUEST_H_
#define MATHNAS_BINDINGS_PYTHON_REQUEST_H_

#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "bindings/python/module.h"
#include "bindings/python/table.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"

namespace mathnas::python {

// A text, or any number of them, or None. TypeError names the argument.
std::vector<std::string> TextsOf(nb::handle value, const char* name);

// {"latency": 4.0} (the most where less is better, the least where more is), {"flops": (20, 60)} (either may be None),
// "latency<=4" or a list of such texts. ValueError and TypeError name the metric.
std::vector<core::Limit> LimitsOf(const core::BlockTable& table, nb::handle value);

// {"stage1": "b3"}, {"stage1": ["b3", "b4"]}, "stage1=b3" or a list of such texts.
std::vector<core::Assignment> AssignmentsOf(nb::handle value, const char* name);

// What searches, sweeps and servers have in common. `fronts` are further metrics that the estimator is to know; the
// request does not have them.
core::SearchRequest RequestOf(const Table& table, const std::string& objective, nb::handle limits, nb::handle fix,
                              nb::handle forbid, const std::string& estimator, const std::string& flops_fixed,
                              const std::vector<std::string>& fronts);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_REQUEST_H_
