// The texts of the explorer's page in Chinese, by their English form, in which {name} stands for what is filled in.
// The page is in Chinese where the browser is, or with ?language=zh; ?language=en is English.
"use strict";
(() => {
  const CHINESE = {
    // index.html
    "What dragging does": "拖动时的操作",
    "Move and zoom (p)": "移动和缩放（p）",
    "Move": "移动",
    "Draw around rows (l, or Shift and drag)": "圈选样本（l，或按住 Shift 拖动）",
    "Select": "选择",
    "Draw what the model decodes there (d)": "画出模型在该处解码的结果（d）",
    "Decode": "解码",
    "Colour": "颜色",
    "Show all rows (0)": "显示所有样本（0）",
    "Fit": "全部",
    "Light or dark": "浅色或深色",
    "Theme": "主题",
    "Keys (?)": "按键（?）",
    "Map of the rows": "样本的地图",
    "Colours": "颜色",
    "Loading the codes…": "正在载入编码…",
    "Details": "详细信息",
    "Row": "样本",
    "Selection": "选中的样本",
    "Units": "单元",
    "Keys": "按键",
    "move; in Decode, move the cross (Shift: further)": "移动；解码模式下移动十字（Shift：步子更大）",
    "zoom in, zoom out, show all": "放大、缩小、显示全部",
    "move, select, decode": "移动、选择、解码",
    "show the row nearest to the middle": "显示离中心最近的样本",
    "the row shown is the first, or second, end of a morph": "以当前样本为渐变的起点或终点",
    "clear the selection": "取消选择",
    "With a pointer: drag to move, turn the wheel or pinch to zoom, Shift and drag to select, click to keep a row.":
      "使用鼠标或触摸：拖动以移动，滚轮或双指以缩放，按住 Shift 拖动以选择，单击以保留一个样本。",
    "Close": "关闭",
    // The map
    "{rows} rows": "{rows} 个样本",
    "{rows} rows of {all}": "{all} 个样本中的 {rows} 个",
    "{kind}, {columns} columns, {units} units, isthmus {version}": "{kind}，{columns} 列，{units} 个单元，isthmus {version}",
    "Map of {rows} rows. Arrows move, plus and minus zoom, Enter shows the row in the middle, question mark lists the keys.":
      "{rows} 个样本的地图。方向键移动，加号和减号缩放，回车显示中间的样本，问号列出按键。",
    "mode: {name}": "模式：{name}",
    "unit {number}": "单元 {number}",
    "spread": "散开",
    "Vertical axis": "纵轴",
    "Horizontal axis": "横轴",
    "missing": "缺失",
    "other": "其他",
    "{name} (days)": "{name}（天）",
    "Show or hide {name}": "显示或隐藏 {name}",
    "reconstruction error": "重构误差",
    "The explorer does not answer; was it ended?": "浏览器没有得到回应；isthmus explore 是否已经结束？",
    "error {number}": "误差 {number}",
    // A row
    "row": "样本",
    "row {number}": "样本 {number}",
    "row {number}: {value}": "样本 {number}：{value}",
    "error {number} (mean {mean})": "误差 {number}（平均 {mean}）",
    "reconstruction error {number}": "重构误差 {number}",
    "reconstruction": "重构",
    "picture of row {number}": "样本 {number} 的图像",
    "noisy picture of row {number}": "样本 {number} 加噪后的图像",
    "reconstruction of row {number}": "样本 {number} 的重构",
    "with noise": "加噪",
    "denoised": "去噪",
    "column": "列",
    "value": "值",
    "reconstructed": "重构",
    "Rows": "样本",
    "{shown} of {all} columns, those with the largest errors": "{all} 列中误差最大的 {shown} 列",
    "Point at the map to see a row. Click to keep it here.": "指向地图可查看样本，单击可将其保留在此处。",
    "Morph from this row": "由此样本渐变",
    "Morph to this row": "渐变到此样本",
    "Decode from this row": "由此样本解码",
    "Active units": "激活的单元",
    "Active units: {count} of {all}": "激活的单元：{all} 个中的 {count} 个",
    "Switch units off to see what they draw.": "关闭单元，可看出它们画的是什么。",
    "The {count} strongest of {all}.": "{all} 个中最强的 {count} 个。",
    "{count} units off": "关闭了 {count} 个单元",
    "reconstruction without the units switched off": "去掉已关闭单元后的重构",
    "Noise: {name}": "噪声：{name}",
    "level": "强度",
    "Level of noise": "噪声强度",
    "Another draw": "重新抽取",
    "gaussian": "高斯噪声",
    "uniform": "均匀噪声",
    "masking": "遮蔽",
    "salt and pepper": "椒盐噪声",
    "swap": "交换",
    "poisson": "泊松噪声",
    "blockout": "遮挡",
    "deform": "形变",
    // Decoding
    "In the mode Decode, drag over the map: this is what the model decodes there.": "在解码模式下拖过地图：此处显示模型在该点解码的结果。",
    "what the code decodes to": "由编码解码的结果",
    "Units of the code": "编码单元",
    "The {count} units that vary most, of {all}.": "{all} 个单元中变化最大的 {count} 个。",
    "Mean code": "平均编码",
    "Between two rows": "两个样本之间",
    "Between the two rows": "两个样本之间",
    "Click two rows, and press “Morph from this row” and “Morph to this row”.": "单击两个样本，分别按“由此样本渐变”和“渐变到此样本”。",
    "Click a row first.": "请先单击一个样本。",
    "Now click the first row, and press “Morph from this row”.": "现在单击第一个样本，按“由此样本渐变”。",
    "Now click the second row, and press “Morph to this row”.": "现在单击第二个样本，按“渐变到此样本”。",
    "From row {first} to row {second}, in nine steps:": "从样本 {first} 到样本 {second}，共九步：",
    "step {number} of {all}": "第 {number} 步，共 {all} 步",
    "between": "之间",
    // The selection
    "Press Select, and draw around rows: this shows what sets them apart from the others, and saves their codes.":
      "按“选择”，圈出一些样本：此处显示它们与其他样本有何不同，并可保存其编码。",
    "Comparing {count} rows with the others…": "正在将 {count} 个样本与其他样本比较…",
    "{count} rows · mean error {mean} (of all {all})": "{count} 个样本 · 平均误差 {mean}（全部样本 {all}）",
    "{count} rows are selected": "选中了 {count} 个样本",
    "Save as CSV": "存为 CSV",
    "Clear": "取消选择",
    "What sets these apart": "有何不同",
    "Differences": "差异",
    "difference": "差异",
    "these": "选中的",
    "others": "其他",
    "mean of these": "选中样本的平均",
    "mean of the others": "其他样本的平均",
    "mean of the selected rows": "选中样本的平均",
    "mean of the other rows": "其他样本的平均",
    "difference of the means": "平均值之差",
    "{number} sd": "{number} σ",
    "{deviations} standard deviations, {errors} standard errors": "{deviations} 个标准差，{errors} 个标准误",
    "No column differs.": "没有差异明显的列。",
    "Differences of the means in standard deviations of the column.": "平均值之差，以该列的标准差为单位。",
    "Differences of the means in standard deviations of the column, from a sample of {count} of these rows.":
      "平均值之差，以该列的标准差为单位，由其中 {count} 个样本算出。",
    "The rows": "这些样本",
    "{count} of the rows": "其中 {count} 个样本",
    "The first {count} rows": "前 {count} 个样本",
    // Units
    "Units of the code.": "编码单元。",
    "Units by the share of rows in which they are active.": "各单元按其激活的样本比例排列。",
    "The first {count} of {all}.": "{all} 个中的前 {count} 个。",
    "Computing…": "正在计算…",
    "Unit {number}: active in {share} of the rows": "单元 {number}：在 {share} 的样本中激活",
    "histogram of unit {number} where it is not 0, from {low} to {high}": "单元 {number} 非零值的直方图，从 {low} 到 {high}",
    "Colour the map by it": "用它给地图着色",
    "atom of unit {number}": "单元 {number} 的原子",
    "what it adds: orange more, blue less": "它所增加的：橙色为增，蓝色为减",
    "What it adds, in standard deviations": "它所增加的，以标准差为单位",
    "Rows in which it is strongest": "使其激活最强的样本",
  };
  // The error lines of the server, as patterns whose groups are filled in.
  const ERRORS = [
    [/^the Host header is not that of this explorer; open the address that it printed$/, "Host 标头不是本浏览器的；请打开命令打印的网址"],
    [/^the method must be GET, HEAD or POST$/, "请求方法必须是 GET、HEAD 或 POST"],
    [/^requests from other (?:pages|origins) are refused$/, "拒绝来自其他页面的请求"],
    [/^a request may have at most (\d+) bytes$/, "一次请求最多 {1} 字节"],
    [/^this explorer needs its token; open the whole address that it printed$/, "需要令牌；请打开命令打印的完整网址"],
    [/^the token is not that of this explorer; open the whole address that it printed$/, "令牌不对；请打开命令打印的完整网址"],
    [/^there is no such (?:page|file)$/, "没有这个页面"],
    [/^an axis must be pc-N, unit-N or none$/, "坐标轴必须是 pc-N、unit-N 或 none"],
    [/^by= must be a key of the list of colours$/, "by= 必须是颜色列表中的键"],
    [/^the model was not trained against noise that has a level$/, "模型训练时没有使用有强度的噪声"],
    [/^(.+)=(.+) must be an integer from 0 to (\d+)$/, "{1}={2} 必须是 0 到 {3} 的整数"],
    [/^(.+)=(.+) must be a number from (\S+) to (\S+)$/, "{1}={2} 必须是 {3} 到 {4} 的数"],
    [/^the body must be row numbers, 4 bytes each; select at least one row$/, "请求的内容必须是行号，每个 4 字节；请至少选中一个样本"],
    [/^row (\d+) must be less than (\d+)$/, "行号 {1} 必须小于 {2}"],
    [/^the body must be 1 to (\d+) codes of (\d+) numbers, 4 bytes each$/, "请求的内容必须是 1 到 {1} 个编码，每个 {2} 个数，每个数 4 字节"],
    [/^codes must be finite numbers of at most 1e30$/, "编码必须是不超过 1e30 的有限数"],
    [/^the column has (\d+) cells, but there are (\d+) rows$/, "该列有 {1} 个单元格，但数据有 {2} 行"],
  ];
  const asked = new URLSearchParams(location.search).get("language") || navigator.language || "en";
  const isChinese = asked.toLowerCase().startsWith("zh");
  const of = (text) => (isChinese && Object.hasOwn(CHINESE, text) ? CHINESE[text] : text);
  const t = (text, values = {}) => of(text).replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? values[name] : whole));

  const fromServer = (text) => {
    const [pattern, chinese] = (isChinese && ERRORS.find(([one]) => one.test(text))) || [];
    return pattern ? chinese.replace(/\{(\d)\}/g, (whole, number) => pattern.exec(text)[number]) : text;
  };

  if (isChinese) {
    document.documentElement.lang = "zh-CN";
    for (const node of document.querySelectorAll("[title], [aria-label]")) {
      for (const name of ["title", "aria-label"]) if (node.hasAttribute(name)) node.setAttribute(name, of(node.getAttribute(name)));
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode, text = node.data.trim();
      if (text) node.data = node.data.replace(text, () => of(text));
    }
  }
  Object.assign(globalThis.isthmus, { t, fromServer });
})();
