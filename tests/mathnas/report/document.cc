#include "tests/mathnas/report/document.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace mathnas::report {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Document Parse() {
    Eat("<!DOCTYPE html>");
    while (document_.error.empty() && at_ < text_.size()) text_[at_] == '<' ? Tag() : Text();
    if (document_.error.empty() && !open_.empty()) Fail("never closed: " + open_.back());
    return document_;
  }

 private:
  void Fail(const std::string& why) {
    if (document_.error.empty()) document_.error = why + " before: " + std::string(text_.substr(at_, 80));
    at_ = text_.size();
  }
  bool Eat(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }
  std::string Unescaped(std::string_view raw) {
    std::string text;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '<' || raw[i] == '>') Fail("stray angle bracket");
      if (static_cast<unsigned char>(raw[i]) < 0x20 && raw[i] != '\n' && raw[i] != '\t') Fail("control character");
      if (raw[i] != '&') {
        text += raw[i];
        continue;
      }
      size_t end = raw.find(';', i);
      static const std::map<std::string_view, std::string> known = {{"&amp", "&"},   {"&lt", "<"},  {"&gt", ">"},
                                                                    {"&quot", "\""}, {"&#39", "'"}, {"&#160", " "}};
      auto entity = known.find(raw.substr(i, end == std::string_view::npos ? 0 : end - i));
      if (entity == known.end()) {
        Fail("stray ampersand");
        return text;
      }
      text += entity->second;
      i = end;
    }
    return text;
  }
  void Text() {
    size_t end = std::min(text_.find('<', at_), text_.size());
    std::string_view raw = text_.substr(at_, end - at_);
    if (!open_.empty() && open_.back() == "style") {
      document_.elements.back().text = raw;
    } else if (!document_.elements.empty()) {
      document_.elements.back().text += Unescaped(raw);
    }
    if (document_.error.empty()) at_ = end;
  }
  std::string Name() {
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-')) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  void Tag() {
    if (Eat("</")) {
      std::string name = Name();
      if (open_.empty() || open_.back() != name || !Eat(">")) return Fail("unexpected end of " + name);
      open_.pop_back();
      // Text behind an inner element belongs to nothing that is looked at here.
      document_.elements.push_back({"/" + name, {}, ""});
      return;
    }
    ++at_;
    Element element;
    element.tag = Name();
    if (element.tag.empty()) return Fail("tag without a name");
    while (Eat(" ")) {
      std::string name = Name();
      if (!Eat("=\"")) return Fail("attribute without a quoted value: " + name);
      size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) return Fail("attribute that never ends");
      if (!element.attributes.emplace(name, Unescaped(text_.substr(at_, end - at_))).second)
        return Fail("twice: " + name);
      if (!document_.error.empty()) return;
      at_ = end + 1;
    }
    bool closed = Eat("/");
    if (!Eat(">")) return Fail("tag that never ends: " + element.tag);
    if (!closed) open_.push_back(element.tag);
    document_.elements.push_back(std::move(element));
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  Document document_;
};

}  // namespace

Document Parsed(const std::string& html) { return Parser(html).Parse(); }

std::set<double> DataValues(const Document& document) {
  std::set<double> values;
  for (const Element* e : document.Find("data")) values.insert(std::strtod(e->attributes.at("value").c_str(), nullptr));
  return values;
}

}  // namespace mathnas::report
