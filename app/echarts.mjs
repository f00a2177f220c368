// The part of ECharts that the page draws with, and nothing else: each chart kind of app/src/chart has its import here.
// The canvas renderer writes no inline styles into the page, which its content security policy forbids.
import { init, use } from "echarts/core";
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, ScatterChart, GridComponent, TooltipComponent, AriaComponent, CanvasRenderer]);

globalThis.concertCharts = { init };
