#pragma once

namespace lckv::eval {

// A few items of our own in the formats of the datasets, with characters of one to four bytes and
// those that JSON escapes.

inline constexpr const char* kOpenbookqa = R"json(
{"id":"a","question_stem":"The sun is responsible for","choices":{"text":["puppies learning new tricks","children growing up and getting old","flowers wilting in a vase","plants sprouting, blooming and wilting"],"label":["A","B","C","D"]},"answerKey":"D"}
{"id":"b","question_stem":"At -5 °C, \"water\" is\t","choices":{"text":["ice 🧊","steam","a/b\\c","Größe"],"label":["A","B","C","D"]},"answerKey":" A"}
{"id":"c","question":{"stem":"A cat has","choices":[{"text":"four legs","label":"A"},{"text":"two","label":"B"},{"text":"日本語の足","label":"C"},{"text":"none\u007f","label":"D"}]},"answerKey":"B"}
{"id":"d","question_stem":"Stones","choices":{"text":["float on air for ever and ever","fall","sing","melt in mild rain"],"label":["A","B","C","D"]},"answerKey":"B"}
)json";

inline constexpr const char* kWinogrande = R"json(
{"sentence":"Sarah was a much better surgeon than Maria so _ always got the easier cases.","option1":"Sarah","option2":"Maria","answer":"2"}
{"qID":"x-1","sentence":"The cup did not fit the _ , it was too “big”. ","option1":"box","option2":"bag","answer":"1"}
{"sentence":"_ paid José back and _ left.","option1":"Ida","option2":"Mia","answer":"1"}
)json";

inline constexpr const char* kArc = R"json(
{"id":"1","question":"Which is a metal?","choices":{"text":["iron","wood","salt"],"label":["A","B","C"]},"answerKey":"A"}
{"id":"2","question":"2 + 2 = ?","choices":{"text":["three","four","five","six","twenty-two"],"label":["1","2","3","4","5"]},"answerKey":"2"}
{"id":"3","question":{"stem":"What do bees make?","choices":[{"text":"honey, mostly","label":"A"},{"text":"milk","label":"B"},{"text":"silk","label":"C"},{"text":"oil","label":"D"}]},"answerKey":"A"}
)json";

inline constexpr const char* kHellaswag = R"json(
{"ind":4,"activity_label":"Removing ice from car","ctx_a":"A man sits.","ctx_b":"the DJ plays","ctx":"A man sits. the DJ plays","endings":[", and [step] leaves.","on  ice [title] Then he goes.","nothing. "," É [x]"],"source_id":"s","split":"val","split_type":"indomain","label":"3"}
{"ind":5,"activity_label":"Cooking","ctx_a":"[header] How to cook","ctx_b":"","ctx":"How to cook","endings":["a","bb","ccc","dddd"],"source_id":"s","split":"val","split_type":"indomain","label":1}
)json";

inline constexpr const char* kPiqa = R"json(
{"goal":"Cut bread","sol1":"with a knife","sol2":"with a spoon","label":0}
{"goal":"Boil eggs\n","sol1":"in oil","sol2":"in water","label":1}
{"goal":"Dry hair","sol1":"with rain, which falls from the sky","sol2":"with a towel","label":1}
)json";

}  // namespace lckv::eval
