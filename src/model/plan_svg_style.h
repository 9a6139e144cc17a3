#pragma once

namespace lckv::model {

/// CSS of the picture. No variables, which not every viewer of SVG knows; every rule names a class
/// of ours, since a page has the rules of all that it embeds.
inline constexpr const char* kPlanSvgStyle = R"(
.lckv-plan{max-width:100%;height:auto;color:#1f2937}
.lckv-plan text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:currentColor}
.lckv-plan .lckv-plan-types{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-weight:600}
.lckv-plan-paper{fill:#ffffff}
.lckv-plan .lckv-plan-quiet{fill:#6b7280}
.lckv-plan .lckv-plan-owner{fill:#b45309;font-weight:700}
.lckv-plan-cell text,.lckv-plan-kv text,.lckv-plan-mlp text{font-size:10px;font-weight:600}
.lckv-plan-block rect,.lckv-plan-mlp rect{stroke:#2563eb;stroke-width:1.2}
.lckv-plan-block.lckv-plan-grad rect{fill:#2563eb}
.lckv-plan .lckv-plan-block.lckv-plan-grad text{fill:#ffffff}
.lckv-plan-block.lckv-plan-free rect{fill:#dbeafe}
.lckv-plan-mlp rect{stroke-dasharray:3 2;fill:#ffffff}
.lckv-plan-mlp.lckv-plan-grad rect{stroke-width:2.4}
.lckv-plan-kv rect{stroke:#d97706;stroke-width:1.2}
.lckv-plan-kv.lckv-plan-grad rect{fill:#f59e0b}
.lckv-plan-kv.lckv-plan-free rect{fill:#fef3c7}
.lckv-plan .lckv-plan-kv text{fill:#451a03}
.lckv-plan-read,.lckv-plan-key,.lckv-plan-loop,.lckv-plan-hidden,.lckv-plan-brace{fill:none;stroke:currentColor;stroke-width:1.2;stroke-linecap:round;stroke-linejoin:round}
.lckv-plan-hidden{stroke:#9ca3af}
.lckv-plan-brace{stroke:#6b7280}
.lckv-plan-grad .lckv-plan-loop{stroke:#ffffff}
.lckv-plan-from0{stroke:#d97706}.lckv-plan-dot0{fill:#d97706}
.lckv-plan-from1{stroke:#059669}.lckv-plan-dot1{fill:#059669}
.lckv-plan-from2{stroke:#c026d3}.lckv-plan-dot2{fill:#c026d3}
.lckv-plan-from3{stroke:#dc2626}.lckv-plan-dot3{fill:#dc2626}
.lckv-plan-from4{stroke:#0891b2}.lckv-plan-dot4{fill:#0891b2}
.lckv-plan-from5{stroke:#65a30d}.lckv-plan-dot5{fill:#65a30d}
@media (prefers-color-scheme:dark){
.lckv-plan{color:#e5e7eb}
.lckv-plan-paper{fill:#111827}
.lckv-plan .lckv-plan-quiet{fill:#9ca3af}
.lckv-plan .lckv-plan-owner{fill:#fbbf24}
.lckv-plan-block rect,.lckv-plan-mlp rect{stroke:#60a5fa}
.lckv-plan-block.lckv-plan-grad rect{fill:#60a5fa}
.lckv-plan .lckv-plan-block.lckv-plan-grad text{fill:#0b1220}
.lckv-plan-block.lckv-plan-free rect{fill:#1e3a5f}
.lckv-plan-mlp rect{fill:#111827}
.lckv-plan-kv rect{stroke:#fbbf24}
.lckv-plan-kv.lckv-plan-free rect{fill:#4a3208}
.lckv-plan .lckv-plan-kv.lckv-plan-free text{fill:#fde68a}
.lckv-plan-hidden{stroke:#6b7280}
.lckv-plan-brace{stroke:#9ca3af}
.lckv-plan-grad .lckv-plan-loop{stroke:#0b1220}
.lckv-plan-from0{stroke:#fbbf24}.lckv-plan-dot0{fill:#fbbf24}
.lckv-plan-from1{stroke:#34d399}.lckv-plan-dot1{fill:#34d399}
.lckv-plan-from2{stroke:#e879f9}.lckv-plan-dot2{fill:#e879f9}
.lckv-plan-from3{stroke:#f87171}.lckv-plan-dot3{fill:#f87171}
.lckv-plan-from4{stroke:#22d3ee}.lckv-plan-dot4{fill:#22d3ee}
.lckv-plan-from5{stroke:#a3e635}.lckv-plan-dot5{fill:#a3e635}
}
)";

}  // namespace lckv::model
