// A checker of documents that knows nothing of the renderer.
#ifndef TESTS_MATHNAS_REPORT_DOCUMENT_H_
#define TESTS_MATHNAS_REPORT_DOCUMENT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace mathnas::report {

struct Element {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::string text;  // between this tag and the next one
};

struct Document {
  std::vector<Element> elements;
  std::string error;  // "" = well formed

  std::vector<const Element*> Find(const std::string& tag, const std::string& style = "") const {
    std::vector<const Element*> found;
    for (const Element& e : elements) {
      auto it = e.attributes.find("class");
      if (e.tag == tag && (style.empty() || (it != e.attributes.end() && it->second == style))) found.push_back(&e);
    }
    return found;
  }
};

// `html` by the rules of XML: all elements closed in order, attributes quoted and not repeated, only known entities, no
// stray < > &. What breaks them is in Document::error.
Document Parsed(const std::string& html);

// The values of all <data> elements.
std::set<double> DataValues(const Document& document);

}  // namespace mathnas::report

#endif  // TESTS_MATHNAS_REPORT_DOCUMENT_H_
