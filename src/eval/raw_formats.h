#pragma once

#include "lckv/eval/document.h"
#include "lckv/eval/json_record.h"

namespace lckv::eval {

// One item of a task from a line of its dataset's file, as Hugging Face or the dataset's authors
// wrote it (spec/evaluation.md 1.2 and 1.3). All throw DataError naming place and field: a field
// that is missing or of the wrong type, a label outside the choices, an empty choice, fewer than
// two.

/// An ending of nothing but marks is asked as a blank, as the harness does.
Document read_hellaswag(const JsonRecord& record);
Document read_openbookqa(const JsonRecord& record);
Document read_winogrande(const JsonRecord& record);
/// ARC-Easy and ARC-Challenge.
Document read_arc(const JsonRecord& record);
/// Of SuperGLUE, or of Google's own file, whose title goes in front of the passage.
Document read_boolq(const JsonRecord& record);
Document read_piqa(const JsonRecord& record);
Document read_sciq(const JsonRecord& record);
Document read_lambada(const JsonRecord& record);
Document read_wikitext(const JsonRecord& record);
/// Our own format: "query", "choices", optionally "gold" (index from 0) and "kind"; a query may be
/// empty.
Document read_question(const JsonRecord& record);

}  // namespace lckv::eval
